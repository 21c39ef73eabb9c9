-- A second login of each tenant that may only read, and API keys. It only
-- adds: programs that know the migration before alone go on working.

-- +goose Up

ALTER TABLE poolkeeper.tenants
	ADD COLUMN read_login    text NOT NULL DEFAULT '',
	ADD COLUMN read_password text NOT NULL DEFAULT ''; -- sealed, or env:NAME, or file:PATH
CREATE UNIQUE INDEX tenants_own_reader ON poolkeeper.tenants (cluster, read_login) WHERE read_login <> '';
CREATE INDEX tenants_login ON poolkeeper.tenants (cluster, login) WHERE login <> '';

-- What may only read is nobody's login for writing, in either order.
-- +goose StatementBegin
CREATE FUNCTION poolkeeper.tenants_reader() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND (NEW.cluster, NEW.login, NEW.read_login) = (OLD.cluster, OLD.login, OLD.read_login) THEN
		RETURN NULL;
	END IF;
	IF NEW.read_login <> '' AND EXISTS (SELECT FROM poolkeeper.tenants t
			WHERE t.cluster = NEW.cluster AND t.login = NEW.read_login)
		OR NEW.login <> '' AND EXISTS (SELECT FROM poolkeeper.tenants t
			WHERE t.cluster = NEW.cluster AND t.read_login = NEW.login AND t.read_login <> '') THEN
		RAISE EXCEPTION 'the login is taken' USING ERRCODE = 'unique_violation', CONSTRAINT = 'tenants_own_reader';
	END IF;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tenants_reader AFTER INSERT OR UPDATE ON poolkeeper.tenants
	FOR EACH ROW EXECUTE FUNCTION poolkeeper.tenants_reader();

-- One row: what the hashes of keys are made with.
CREATE TABLE poolkeeper.pepper (
	id     boolean PRIMARY KEY DEFAULT true CHECK (id),
	sealed text NOT NULL
);

-- Changes are numbered like those of tenants, by the same sequence.
CREATE TABLE poolkeeper.keys (
	id         text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[a-z0-9]{12}$'),
	version    bigint NOT NULL DEFAULT 0,
	tenant     text COLLATE "C" NOT NULL REFERENCES poolkeeper.tenants (id) ON DELETE CASCADE,
	name       text NOT NULL DEFAULT '',
	scope      text NOT NULL CHECK (scope IN ('write', 'read')),
	hash       bytea NOT NULL CHECK (length(hash) = 32), -- HMAC-SHA-256 of the whole text under the pepper
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	created_by text NOT NULL DEFAULT '',
	expires_at timestamptz CHECK (expires_at >= '0002-01-01Z' AND expires_at < '10000-01-01Z'), -- what programs can read
	revoked_at timestamptz CHECK (revoked_at >= '0002-01-01Z' AND revoked_at < '10000-01-01Z')
);
CREATE UNIQUE INDEX keys_version ON poolkeeper.keys (version);
CREATE INDEX keys_tenant ON poolkeeper.keys (tenant, id);

-- Keys that are gone, most of them with their tenant: a tenant of the same id
-- may have come since, so nothing else tells of them.
CREATE TABLE poolkeeper.key_tombstones (
	id      text COLLATE "C" PRIMARY KEY,
	version bigint NOT NULL UNIQUE
);

-- When a key was last used, minutes late. Apart from keys, so that it is no
-- change of one.
CREATE TABLE poolkeeper.key_uses (
	key text COLLATE "C" PRIMARY KEY REFERENCES poolkeeper.keys (id) ON DELETE CASCADE,
	at  timestamptz NOT NULL
);

CREATE TRIGGER keys_turn BEFORE INSERT OR UPDATE OR DELETE ON poolkeeper.keys
	FOR EACH STATEMENT EXECUTE FUNCTION poolkeeper.tenants_turn();

-- A changed key gets the next version; one that stays as it is keeps its own.
-- A revoked one stays revoked.
-- +goose StatementBegin
CREATE FUNCTION poolkeeper.keys_number() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		NEW.version := OLD.version;
		NEW.created_at := OLD.created_at;
		NEW.revoked_at := coalesce(OLD.revoked_at, NEW.revoked_at);
		IF NEW IS NOT DISTINCT FROM OLD THEN
			RETURN NEW;
		END IF;
		IF (NEW.id, NEW.tenant, NEW.hash) IS DISTINCT FROM (OLD.id, OLD.tenant, OLD.hash) THEN
			RAISE EXCEPTION 'the id, the tenant and the hash of a key cannot be changed' USING ERRCODE = 'restrict_violation';
		END IF;
	ELSE
		DELETE FROM poolkeeper.key_tombstones WHERE id = NEW.id;
	END IF;
	NEW.version := nextval('poolkeeper.version');
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER keys_number BEFORE INSERT OR UPDATE ON poolkeeper.keys
	FOR EACH ROW EXECUTE FUNCTION poolkeeper.keys_number();

-- +goose StatementBegin
CREATE FUNCTION poolkeeper.keys_gone() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	INSERT INTO poolkeeper.key_tombstones (id, version) VALUES (OLD.id, nextval('poolkeeper.version'))
		ON CONFLICT (id) DO UPDATE SET version = excluded.version;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER keys_gone AFTER DELETE ON poolkeeper.keys
	FOR EACH ROW EXECUTE FUNCTION poolkeeper.keys_gone();

CREATE TRIGGER keys_tell AFTER INSERT OR UPDATE OR DELETE ON poolkeeper.keys
	FOR EACH STATEMENT EXECUTE FUNCTION poolkeeper.tenants_tell();

CREATE TRIGGER keys_whole BEFORE TRUNCATE ON poolkeeper.keys
	FOR EACH STATEMENT EXECUTE FUNCTION poolkeeper.refuse_change();
