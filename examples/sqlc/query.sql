-- name: OpenAccounts :copyfrom
INSERT INTO accounts (name, balance) VALUES ($1, $2);

-- name: Account :one
SELECT id, name, balance FROM accounts WHERE name = $1;

-- name: Accounts :many
SELECT id, name, balance FROM accounts ORDER BY name;

-- name: ChangeBalance :execrows
UPDATE accounts SET balance = balance + @change WHERE id = @id;

-- name: RecordTransfer :one
INSERT INTO transfers (source, target, amount) VALUES ($1, $2, $3) RETURNING id;

-- name: RenameAccounts :batchexec
UPDATE accounts SET name = @new_name WHERE name = @old_name;
