import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kysely, sql } from 'kysely'
import { NeonDialect } from 'kysely-neon'
import { neon } from './client.js'
import { eachTenant, failure, own, unique } from './tenants.js'

eachTenant('Kysely', ({ tenant, connection }) => {
  const db = new Kysely({ dialect: new NeonDialect({ neon: neon(connection) }) })
  const named = (name) => db.selectFrom('items').select(['name', 'price', 'tenant']).where('name', '=', name)

  test('reads', async () => {
    const rows = own(await named('anvil').execute(), tenant)
    assert.deepEqual(rows, [{ name: 'anvil', price: '10.00', tenant }])
    const { count } = await db.selectFrom('items').select(({ fn }) => fn.countAll().as('count')).where('name', 'in', ['anvil', 'rocket']).executeTakeFirstOrThrow()
    assert.equal(count, '2')
  })

  test('writes, and says how many rows', async () => {
    const name = unique('kysely')
    const inserted = await db.insertInto('items').values({ name, price: '1.50' }).returning(['name', 'tenant']).execute()
    assert.deepEqual(own(inserted, tenant), [{ name, tenant }])
    const updated = await db.updateTable('items').set({ price: '2.50' }).where('name', '=', name).executeTakeFirst()
    assert.equal(updated.numUpdatedRows, 1n)
    const deleted = await db.deleteFrom('items').where('name', '=', name).executeTakeFirst()
    assert.equal(deleted.numDeletedRows, 1n)
    assert.deepEqual(await named(name).execute(), [])
  })

  test('writes several rows in one statement, or none of them', async () => {
    const name = unique('kysely')
    const rows = [{ name: `${name} 1` }, { name: `${name} 2` }]
    const result = await db.insertInto('items').values(rows).executeTakeFirst()
    assert.equal(result.numInsertedOrUpdatedRows, 2n)
    await failure(db.insertInto('items').values([{ name: `${name} 3` }, { name: `${name} 1` }]).execute())
    assert.deepEqual(await named(`${name} 3`).execute(), [])
  })

  test('runs SQL of its own', async () => {
    const { rows } = await sql`SELECT ${42}::int AS answer, current_schema() AS schema`.execute(db)
    assert.equal(rows[0].answer, 42)
  })

  test('has errors that a program can branch on', async () => {
    const duplicate = await failure(db.insertInto('items').values({ name: 'anvil' }).execute())
    assert.equal(duplicate.code, '23505')
    assert.equal(duplicate.constraint, 'items_name_key')
    const missing = await failure(db.selectFrom('nowhere').selectAll().execute())
    assert.equal(missing.code, '42P01')
  })

  test('cannot hold a transaction open, and says so', async () => {
    const err = await failure(db.transaction().execute((trx) => trx.selectFrom('items').selectAll().execute()))
    assert.match(err.message, /transaction/i)
  })
})
