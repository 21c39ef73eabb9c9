-- The tables that the tenants with row isolation share. Onboarding puts a
-- forced policy on every table with a column tenant_id: a session sees the
-- rows of the tenant that app.tenant_id names, and of nobody without it.

-- +goose Up
CREATE TABLE items (
    tenant_id   text NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), ''),
    id          bigint GENERATED ALWAYS AS IDENTITY,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    tenant      text GENERATED ALWAYS AS (tenant_id) STORED,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE notes (
    tenant_id text NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), ''),
    id        bigint GENERATED ALWAYS AS IDENTITY,
    body      text NOT NULL,
    tenant    text GENERATED ALWAYS AS (tenant_id) STORED,
    PRIMARY KEY (tenant_id, id)
);

INSERT INTO items (tenant_id, name, description) VALUES
    ('initech', 'stapler', 'Red'),
    ('initech', 'report', 'With the new cover sheet'),
    ('somebody-else', 'secret', 'Whoever reads this row has got past the policy');

INSERT INTO notes (tenant_id, body) VALUES
    ('initech', 'Come in on Saturday'),
    ('somebody-else', 'Whoever reads this row has got past the policy');

-- +goose Down
DROP TABLE notes;
DROP TABLE items;
