import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neon } from './client.js'
import { eachTenant, failure, own, unique } from './tenants.js'

eachTenant('a transaction', ({ tenant, connection }) => {
  const sql = neon(connection)
  const named = (name) => sql`SELECT name, tenant FROM items WHERE name = ${name}`

  test('runs in one piece', async () => {
    const name = unique('transaction')
    const [inserted, seen, ids] = await sql.transaction([
      sql`INSERT INTO items (name) VALUES (${name}) RETURNING tenant`,
      named(name),
      sql`SELECT txid_current() % 4294967296 = xmin::text::bigint AS same FROM items WHERE name = ${name}`,
    ])
    own(inserted, tenant)
    own(seen, tenant)
    assert.equal(seen[0].name, name)
    assert.deepEqual(ids, [{ same: true }])
    own(await named(name), tenant)
  })

  test('as a function of the transaction', async () => {
    const [one, two] = await sql.transaction((tx) => [tx`SELECT ${1}::int AS n, tenant FROM items LIMIT 1`, tx.query('SELECT $1::int AS n', [2])])
    assert.deepEqual(one, [{ n: 1, tenant }])
    assert.deepEqual(two, [{ n: 2 }])
  })

  test('changes nothing when one of its queries fails', async () => {
    const name = unique('rolled back')
    const err = await failure(sql.transaction([sql`INSERT INTO items (name) VALUES (${name})`, sql`SELECT 1 / 0`, sql`SELECT 1`]))
    assert.equal(err.name, 'NeonDbError')
    assert.equal(err.code, '22012')
    assert.deepEqual(await named(name), [])
  })

  test('cannot be ended from within', async () => {
    const name = unique('committed')
    const err = await failure(sql.transaction([sql`INSERT INTO items (name) VALUES (${name})`, sql`COMMIT`, sql`SELECT 1`]))
    assert.equal(err.code, '2D000')
    assert.deepEqual(await named(name), [])
  })

  test('may be empty', async () => {
    assert.deepEqual(await sql.transaction([]), [])
  })

  test('has the isolation level that it asks for', async () => {
    const asked = { ReadUncommitted: 'read uncommitted', ReadCommitted: 'read committed', RepeatableRead: 'repeatable read', Serializable: 'serializable' }
    for (const [isolationLevel, shown] of Object.entries(asked)) {
      const [[row]] = await sql.transaction([sql`SHOW transaction_isolation`], { isolationLevel })
      assert.equal(row.transaction_isolation, shown)
    }
    const [[row]] = await sql.transaction([sql`SHOW transaction_isolation`])
    assert.equal(row.transaction_isolation, 'read committed')
  })

  test('is read only and deferrable when it asks for that', async () => {
    const shown = (options) => sql.transaction([sql`SHOW transaction_read_only`, sql`SHOW transaction_deferrable`], options)
    const both = await shown({ isolationLevel: 'Serializable', readOnly: true, deferrable: true })
    assert.deepEqual(both.map(([row]) => Object.values(row)[0]), ['on', 'on'])
    const neither = await shown({ readOnly: false, deferrable: false })
    assert.deepEqual(neither.map(([row]) => Object.values(row)[0]), ['off', 'off'])
    const err = await failure(sql.transaction([sql`INSERT INTO items (name) VALUES ('x')`], { readOnly: true }))
    assert.equal(err.code, '25006')
  })

  test('gives full results and arrays when it asks for them', async () => {
    const [full] = await sql.transaction([sql`SELECT tenant FROM items LIMIT 1`], { fullResults: true, arrayMode: true })
    assert.deepEqual([full.command, full.rowCount, full.rowAsArray, full.rows], ['SELECT', 1, true, [[tenant]]])
  })

  test('keeps savepoints', async () => {
    const name = unique('savepoint')
    await sql.transaction([
      sql`INSERT INTO items (name) VALUES (${name})`, sql`SAVEPOINT s`, sql`DELETE FROM items WHERE name = ${name}`, sql`ROLLBACK TO SAVEPOINT s`,
    ])
    own(await named(name), tenant)
  })
})
