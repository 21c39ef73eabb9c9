// The client before its 1.0, which is called as a function and has no composed
// templates.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neon, NeonDbError } from '../client.js'
import { eachTenant, failure, own, unique } from '../tenants.js'

eachTenant('the client before 1.0', ({ tenant, connection }) => {
  const sql = neon(connection)

  test('reads', async () => {
    assert.deepEqual(own(await sql`SELECT name, tenant FROM items WHERE name = ${'anvil'}`, tenant), [{ name: 'anvil', tenant }])
    own(await sql('SELECT * FROM items WHERE name = $1', ['rocket']), tenant)
    assert.deepEqual(await neon(connection, { arrayMode: true })`SELECT 1 AS a, 2 AS a`, [[1, 2]])
    const full = await neon(connection, { fullResults: true })`SELECT 1 AS one`
    assert.equal(full.rowCount, 1)
    assert.equal(full.command, 'SELECT')
    assert.equal(full.fields[0].name, 'one')
  })

  test('writes', async () => {
    const name = unique('older')
    own(await sql`INSERT INTO items (name, price) VALUES (${name}, ${1.5}) RETURNING tenant`, tenant)
    assert.deepEqual(await sql`SELECT price FROM items WHERE name = ${name}`, [{ price: '1.50' }])
  })

  test('sends a transaction in one piece', async () => {
    const name = unique('older')
    const [inserted, seen] = await sql.transaction(
      [sql`INSERT INTO items (name) VALUES (${name}) RETURNING tenant`, sql`SELECT tenant FROM items WHERE name = ${name}`],
      { isolationLevel: 'Serializable' },
    )
    assert.deepEqual(own(inserted, tenant), own(seen, tenant))
    await failure(sql.transaction([sql`INSERT INTO items (name) VALUES (${`${name} 2`})`, sql`SELECT 1/0`]))
    assert.deepEqual(await sql`SELECT name FROM items WHERE name = ${`${name} 2`}`, [])
  })

  test('has errors that a program can branch on', async () => {
    const err = await failure(sql`INSERT INTO items (name) VALUES ('anvil')`)
    assert.ok(err instanceof NeonDbError)
    assert.equal(err.code, '23505')
    assert.equal(err.constraint, 'items_name_key')
  })
})
