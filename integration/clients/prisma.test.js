// Prisma writes the schema's name into its SQL: "public", unless the models say
// another by @@schema. So it goes with tenants that have a database of their
// own, and for those of a schema with models of that schema.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PrismaNeonHttp } from '@prisma/adapter-neon'
import { neonConfig } from '@neondatabase/serverless'
import prisma from './generated/index.js'
import { connectionString, endpoint, failure, own, unique } from './tenants.js'

const { PrismaClient } = prisma
neonConfig.fetchEndpoint = endpoint // Prisma's adapter always has the current client

describe('Prisma, as globex', () => {
  const tenant = 'globex'
  const db = new PrismaClient({ adapter: new PrismaNeonHttp(connectionString(tenant), {}) })
  const view = { name: true, tenant: true }

  test('reads', async () => {
    const anvil = await db.item.findUnique({ where: { name: 'anvil' } })
    own([anvil], tenant)
    assert.equal(anvil.price.toFixed(2), '10.00')
    assert.equal(typeof anvil.id, 'bigint')
    const rows = await db.item.findMany({ where: { name: { in: ['anvil', 'rocket'] } }, orderBy: { name: 'desc' }, select: view })
    assert.deepEqual(rows, [{ name: 'rocket', tenant }, { name: 'anvil', tenant }])
    assert.equal(await db.item.count({ where: { price: { gt: 50 }, name: { in: ['anvil', 'rocket', 'magnet'] } } }), 1)
  })

  test('writes', async () => {
    const name = unique('prisma')
    const made = await db.item.create({ data: { name, price: '1.50' }, select: view })
    assert.deepEqual(made, { name, tenant })
    const changed = await db.item.updateMany({ where: { name }, data: { price: '2.50' } })
    assert.equal(changed.count, 1)
    const gone = await db.item.deleteMany({ where: { name } })
    assert.equal(gone.count, 1)
    assert.equal(await db.item.findUnique({ where: { name } }), null)
  })

  test('writes several rows in one statement', async () => {
    const name = unique('prisma')
    const { count } = await db.item.createMany({ data: [{ name: `${name} 1` }, { name: `${name} 2` }] })
    assert.equal(count, 2)
  })

  test('runs SQL of its own', async () => {
    own(await db.$queryRaw`SELECT name, tenant FROM items WHERE name = ${'anvil'}`, tenant)
    assert.equal(await db.$executeRaw`UPDATE items SET price = price WHERE name = ${'anvil'}`, 1)
  })

  // The adapter for HTTP hands on the client's own errors, not Prisma's codes.
  test('has errors that a program can branch on', async () => {
    const duplicate = await failure(db.item.create({ data: { name: 'anvil' } }))
    assert.equal(duplicate.code, '23505')
    assert.match(duplicate.message, /items_name_key/)
    const missing = await failure(db.$queryRaw`SELECT * FROM nowhere`)
    assert.match(missing.message, /relation "nowhere" does not exist/)
  })

  test('cannot hold a transaction open, and says so', async () => {
    const err = await failure(db.$transaction([db.item.count(), db.item.count()]))
    assert.match(err.message, /[Tt]ransactions are not supported/)
  })
})

test('Prisma, as a tenant of a schema, finds none of its tables in public', async () => {
  const db = new PrismaClient({ adapter: new PrismaNeonHttp(connectionString('acme'), {}) })
  own(await db.item.findMany({ where: { name: 'anvil' } }), 'public') // a table that anybody may read
  assert.equal((await failure(db.item.create({ data: { name: unique('prisma') } }))).code, '42501')
})
