-- +goose Up
CREATE TABLE items (
    id          bigint PRIMARY KEY,
    name        text NOT NULL,
    description text NOT NULL DEFAULT ''
);

-- +goose Down
DROP TABLE items;
