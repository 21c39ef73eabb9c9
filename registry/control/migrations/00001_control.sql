-- The control database. Every later migration adds: a program of this release
-- goes on working beside one of the next, until a row in poolkeeper.release
-- says otherwise.

-- +goose Up

-- A program that knows the migrations up to M works with this database while
-- no row says more than M.
CREATE TABLE poolkeeper.release (
	compatible_from int NOT NULL
);
INSERT INTO poolkeeper.release (compatible_from) VALUES (1);

-- One row: a value that only the right keyset opens.
CREATE TABLE poolkeeper.canary (
	id     boolean PRIMARY KEY DEFAULT true CHECK (id),
	sealed text NOT NULL
);

-- Numbers every change of a record. CACHE 1 and the lock below make the order
-- of the numbers the order of the commits.
CREATE SEQUENCE poolkeeper.version AS bigint CACHE 1;

CREATE TABLE poolkeeper.tenants (
	id            text COLLATE "C" PRIMARY KEY,
	version       bigint NOT NULL DEFAULT 0,
	name          text NOT NULL,
	status        text NOT NULL DEFAULT '', -- effective; the trigger derives it
	state         text NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'retired')),
	declared      text NOT NULL DEFAULT '' CHECK (declared IN ('', 'pending', 'active', 'suspended', 'retired')),
	reason        text NOT NULL DEFAULT '',
	deleting      boolean NOT NULL DEFAULT false,
	cloned_from   text COLLATE "C" NOT NULL DEFAULT '', -- whose data it is to get while it is pending
	plan          text NOT NULL DEFAULT '',
	cluster       text NOT NULL,
	isolation     text NOT NULL CHECK (isolation IN ('schema', 'database', 'row')),
	schema_name   text COLLATE "C" NOT NULL DEFAULT '',
	database_name text COLLATE "C" NOT NULL DEFAULT '',
	place         text COLLATE "C" NOT NULL DEFAULT '', -- the database that it lives in; '' is the cluster's default
	login         text NOT NULL DEFAULT '',
	password      text NOT NULL DEFAULT '', -- sealed, or env:NAME, or file:PATH; so are the next two
	next_password text NOT NULL DEFAULT '',
	dsn           text NOT NULL DEFAULT '',
	ddl           boolean NOT NULL DEFAULT false,
	limits        jsonb NOT NULL DEFAULT '{}', -- its own; durations in ms
	labels        jsonb NOT NULL DEFAULT '{}',
	created_at    timestamptz NOT NULL DEFAULT now(),
	updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX tenants_version ON poolkeeper.tenants (version);
CREATE UNIQUE INDEX tenants_own_schema ON poolkeeper.tenants (cluster, place, schema_name) WHERE isolation = 'schema';
CREATE UNIQUE INDEX tenants_own_database ON poolkeeper.tenants (cluster, place) WHERE isolation = 'database';
CREATE INDEX tenants_place ON poolkeeper.tenants (cluster, place, schema_name);
CREATE INDEX tenants_status ON poolkeeper.tenants (status, id);
CREATE INDEX tenants_plan ON poolkeeper.tenants (plan, id);
CREATE INDEX tenants_cluster ON poolkeeper.tenants (cluster, id);
CREATE INDEX tenants_name ON poolkeeper.tenants (lower(name) COLLATE "C");
CREATE INDEX tenants_labels ON poolkeeper.tenants USING gin (labels jsonb_path_ops);

-- What was deleted, so that replicas hear of it. One short row for each id
-- that is gone.
CREATE TABLE poolkeeper.tombstones (
	id      text COLLATE "C" PRIMARY KEY,
	version bigint NOT NULL UNIQUE
);

-- +goose StatementBegin
CREATE FUNCTION poolkeeper.stricter(a text, b text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
	SELECT s FROM unnest(ARRAY['retired', 'suspended', 'pending', 'active']) WITH ORDINALITY AS o(s, n)
	WHERE s IN (a, b) ORDER BY n LIMIT 1
$$;
-- +goose StatementEnd

-- Writers take turns from their first change to their commit: a reader that
-- has seen version n has seen everything up to n.
-- +goose StatementBegin
CREATE FUNCTION poolkeeper.tenants_turn() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	PERFORM pg_catalog.pg_advisory_xact_lock(7089336938131513954);
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tenants_turn BEFORE INSERT OR UPDATE OR DELETE ON poolkeeper.tenants
	FOR EACH STATEMENT EXECUTE FUNCTION poolkeeper.tenants_turn();

-- A changed record gets the next version; one that stays as it is keeps its own.
-- +goose StatementBegin
CREATE FUNCTION poolkeeper.tenants_number() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	NEW.status := poolkeeper.stricter(NEW.state, NEW.declared);
	IF TG_OP = 'UPDATE' THEN
		NEW.version := OLD.version;
		NEW.created_at := OLD.created_at;
		NEW.updated_at := OLD.updated_at;
		IF NEW IS NOT DISTINCT FROM OLD THEN
			RETURN NEW;
		END IF;
		IF NEW.id <> OLD.id THEN
			RAISE EXCEPTION 'the id of a tenant cannot be changed' USING ERRCODE = 'restrict_violation';
		END IF;
	ELSE
		DELETE FROM poolkeeper.tombstones WHERE id = NEW.id;
	END IF;
	NEW.version := nextval('poolkeeper.version');
	NEW.updated_at := now();
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tenants_number BEFORE INSERT OR UPDATE ON poolkeeper.tenants
	FOR EACH ROW EXECUTE FUNCTION poolkeeper.tenants_number();

-- What no index can say: a database of database isolation has nobody else in
-- it, and a schema of schema isolation is not one that rows share.
-- +goose StatementBegin
CREATE FUNCTION poolkeeper.tenants_apart() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND (NEW.cluster, NEW.place, NEW.schema_name, NEW.isolation)
			= (OLD.cluster, OLD.place, OLD.schema_name, OLD.isolation) THEN
		RETURN NULL;
	END IF;
	IF EXISTS (SELECT FROM poolkeeper.tenants t
			WHERE t.cluster = NEW.cluster AND t.place = NEW.place AND t.isolation = 'database' AND t.id <> NEW.id)
		OR NEW.isolation = 'database' AND EXISTS (SELECT FROM poolkeeper.tenants t
			WHERE t.cluster = NEW.cluster AND t.place = NEW.place AND t.id <> NEW.id) THEN
		RAISE EXCEPTION 'the database is taken' USING ERRCODE = 'unique_violation', CONSTRAINT = 'tenants_own_database';
	END IF;
	IF NEW.isolation IN ('schema', 'row') AND EXISTS (SELECT FROM poolkeeper.tenants t
			WHERE t.cluster = NEW.cluster AND t.place = NEW.place AND t.schema_name = NEW.schema_name
				AND t.isolation IN ('schema', 'row') AND (t.isolation = 'schema' OR NEW.isolation = 'schema') AND t.id <> NEW.id) THEN
		RAISE EXCEPTION 'the schema is taken' USING ERRCODE = 'unique_violation', CONSTRAINT = 'tenants_own_schema';
	END IF;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tenants_apart AFTER INSERT OR UPDATE ON poolkeeper.tenants
	FOR EACH ROW EXECUTE FUNCTION poolkeeper.tenants_apart();

-- +goose StatementBegin
CREATE FUNCTION poolkeeper.tenants_gone() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	INSERT INTO poolkeeper.tombstones (id, version) VALUES (OLD.id, nextval('poolkeeper.version'))
		ON CONFLICT (id) DO UPDATE SET version = excluded.version;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tenants_gone AFTER DELETE ON poolkeeper.tenants
	FOR EACH ROW EXECUTE FUNCTION poolkeeper.tenants_gone();

-- A hint to look; it carries nothing.
-- +goose StatementBegin
CREATE FUNCTION poolkeeper.tenants_tell() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	PERFORM pg_catalog.pg_notify('poolkeeper_changes', '');
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tenants_tell AFTER INSERT OR UPDATE OR DELETE ON poolkeeper.tenants
	FOR EACH STATEMENT EXECUTE FUNCTION poolkeeper.tenants_tell();

-- Rows that vanish without a tombstone would be served on by every replica.
-- +goose StatementBegin
CREATE FUNCTION poolkeeper.refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	RAISE EXCEPTION '% of poolkeeper.% is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER tenants_whole BEFORE TRUNCATE ON poolkeeper.tenants
	FOR EACH STATEMENT EXECUTE FUNCTION poolkeeper.refuse_change();

-- What each tenant's data is migrated to. A mirror: the truth is goose's own
-- table beside the data.
CREATE TABLE poolkeeper.migrated (
	tenant  text COLLATE "C" PRIMARY KEY REFERENCES poolkeeper.tenants (id) ON DELETE CASCADE,
	version bigint NOT NULL,
	error   text NOT NULL DEFAULT '',
	at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX migrated_version ON poolkeeper.migrated (version, tenant);
CREATE INDEX migrated_failed ON poolkeeper.migrated (tenant) WHERE error <> '';

-- The processes that are there. version is the last change that one applied;
-- NULL for one that does not serve from here.
CREATE TABLE poolkeeper.replicas (
	instance text PRIMARY KEY,
	name     text NOT NULL,
	version  bigint,
	seen_at  timestamptz NOT NULL
);

-- Who works on which tenant. A lock that was not renewed is anybody's.
CREATE TABLE poolkeeper.locks (
	tenant   text COLLATE "C" PRIMARY KEY,
	what     text NOT NULL,
	holder   text NOT NULL,
	instance text NOT NULL,
	token    text NOT NULL UNIQUE,
	expires  timestamptz NOT NULL
);

CREATE SEQUENCE poolkeeper.operation_number AS bigint;
CREATE TABLE poolkeeper.operations (
	id       text COLLATE "C" PRIMARY KEY DEFAULT lpad(nextval('poolkeeper.operation_number')::text, 10, '0'),
	kind     text NOT NULL,
	tenant   text COLLATE "C" NOT NULL DEFAULT '',
	actor    text NOT NULL DEFAULT '',
	state    text NOT NULL CHECK (state IN ('running', 'done', 'failed', 'interrupted')),
	step     text NOT NULL DEFAULT '',
	done     int NOT NULL DEFAULT 0,
	total    int NOT NULL DEFAULT 0,
	failures jsonb NOT NULL DEFAULT '[]',
	result   jsonb,
	error    text NOT NULL DEFAULT '',
	code     text NOT NULL DEFAULT '',
	instance text NOT NULL,
	started  timestamptz NOT NULL DEFAULT now(),
	updated  timestamptz NOT NULL DEFAULT now(),
	ended    timestamptz
);
ALTER SEQUENCE poolkeeper.operation_number OWNED BY poolkeeper.operations.id;
CREATE INDEX operations_tenant ON poolkeeper.operations (tenant, id DESC);
CREATE INDEX operations_running ON poolkeeper.operations (id) WHERE state = 'running';

CREATE TABLE poolkeeper.audit (
	id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	actor  text NOT NULL,
	action text NOT NULL,
	tenant text COLLATE "C" NOT NULL DEFAULT '',
	detail jsonb,
	error  text NOT NULL DEFAULT ''
);
CREATE INDEX audit_tenant ON poolkeeper.audit (tenant, id DESC);
CREATE TRIGGER audit_appends BEFORE UPDATE OR DELETE OR TRUNCATE ON poolkeeper.audit
	FOR EACH STATEMENT EXECUTE FUNCTION poolkeeper.refuse_change();

-- Tenants that were provisioned before anybody asked for them.
CREATE TABLE poolkeeper.spares (
	id            text COLLATE "C" PRIMARY KEY,
	plan          text NOT NULL DEFAULT '',
	cluster       text NOT NULL,
	isolation     text NOT NULL,
	schema_name   text NOT NULL DEFAULT '',
	database_name text NOT NULL DEFAULT '',
	login         text NOT NULL DEFAULT '',
	password      text NOT NULL DEFAULT '', -- sealed
	ddl           boolean NOT NULL DEFAULT false,
	limits        jsonb NOT NULL DEFAULT '{}',
	migrated      bigint NOT NULL DEFAULT -1,
	ready         boolean NOT NULL DEFAULT false,
	taken_by      text COLLATE "C" UNIQUE,
	created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX spares_ready ON poolkeeper.spares (plan, isolation, cluster) WHERE ready AND taken_by IS NULL;
