-- Which tenants have an id that was another's before. It only adds: programs
-- that know the migrations before alone go on working.

-- +goose Up

ALTER TABLE poolkeeper.tenants ADD COLUMN again boolean NOT NULL DEFAULT false;

-- The tombstone of the one before tells.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION poolkeeper.tenants_number() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	NEW.status := poolkeeper.stricter(NEW.state, NEW.declared);
	IF TG_OP = 'UPDATE' THEN
		NEW.version := OLD.version;
		NEW.again := OLD.again;
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
		NEW.again := FOUND;
	END IF;
	NEW.version := nextval('poolkeeper.version');
	NEW.updated_at := now();
	RETURN NEW;
END
$$;
-- +goose StatementEnd
