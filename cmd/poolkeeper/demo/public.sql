-- What no tenant should ever read without asking for it by name: tables in
-- public that are called like the tenants' own. "dev" makes them; running it
-- again changes nothing.
CREATE TABLE IF NOT EXISTS public.items (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    tenant      text NOT NULL DEFAULT 'public'
);

CREATE TABLE IF NOT EXISTS public.notes (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body   text NOT NULL,
    tenant text NOT NULL DEFAULT 'public'
);

INSERT INTO public.items (name, description)
SELECT 'decoy', 'This row is nobody''s: the session looked in public'
WHERE NOT EXISTS (SELECT FROM public.items);

INSERT INTO public.notes (body)
SELECT 'This row is nobody''s: the session looked in public'
WHERE NOT EXISTS (SELECT FROM public.notes);

GRANT USAGE ON SCHEMA public TO PUBLIC;
GRANT SELECT ON public.items, public.notes TO PUBLIC;
