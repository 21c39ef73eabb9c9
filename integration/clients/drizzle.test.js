import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neon } from './client.js'
import { eq, inArray, sql as raw } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/neon-http'
import { bigint, boolean, date, doublePrecision, integer, jsonb, numeric, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { eachTenant, failure, own, unique } from './tenants.js'

const people = pgTable('people', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  name: text().notNull(),
  born: date(),
  seen: timestamp({ withTimezone: true }),
  meta: jsonb(),
  tags: text().array(),
  scores: integer().array(),
  active: boolean().notNull().default(true),
  big: bigint({ mode: 'bigint' }),
  amount: numeric({ precision: 10, scale: 2 }),
  ratio: doublePrecision(),
  tenant: text().notNull().default(raw`default`),
})

const items = pgTable('items', { id: bigint({ mode: 'number' }).primaryKey(), name: text().notNull(), price: numeric(), tenant: text() })

eachTenant('Drizzle', ({ tenant, connection }) => {
  const db = drizzle(neon(connection), { schema: { people, items } })
  const ada = (name) => ({
    name, born: '1815-12-10', seen: new Date('2026-01-02T03:04:05.678Z'), meta: { langs: ['a', 'b'], deep: { n: 1, 'q"': null } },
    tags: ['x', 'with "quotes"', 'back\\slash', 'comma,', ''], scores: [1, 2, 3], big: 9007199254740993n, amount: '12.50', ratio: 0.1,
  })

  test('inserts and selects every type', async () => {
    const name = unique('ada')
    const [inserted] = own(await db.insert(people).values(ada(name)).returning(), tenant)
    const [selected] = own(await db.select().from(people).where(eq(people.name, name)), tenant)
    assert.deepEqual(selected, inserted)
    const { id, ...rest } = selected
    assert.ok(id > 0)
    assert.deepEqual(rest, { ...ada(name), active: true, tenant })
  })

  test('updates and deletes', async () => {
    const name = unique('updated')
    await db.insert(people).values([{ name }, { name }])
    const updated = await db.update(people).set({ active: false, tags: null, meta: [1, 'two'] }).where(eq(people.name, name)).returning()
    assert.equal(own(updated, tenant).length, 2)
    assert.deepEqual([updated[0].active, updated[0].tags, updated[0].meta], [false, null, [1, 'two']])
    const deleted = await db.delete(people).where(eq(people.name, name))
    assert.deepEqual([deleted.command, deleted.rowCount], ['DELETE', 2])
  })

  test('selects parts and joins', async () => {
    const name = unique('joined')
    await db.insert(people).values({ name })
    const rows = await db.select({ person: people.name, item: items.name, tenant: items.tenant }).from(people)
      .innerJoin(items, eq(items.tenant, people.tenant)).where(eq(people.name, name)).orderBy(items.name)
    assert.ok(own(rows, tenant).length >= 3)
    assert.equal(rows[0].person, name)
    own(await db.select().from(items).where(inArray(items.name, ['anvil', 'rocket'])), tenant)
  })

  test('counts', async () => {
    const name = unique('counted')
    await db.insert(people).values([{ name }, { name }, { name }])
    assert.equal(await db.$count(people, eq(people.name, name)), 3)
  })

  test('runs a batch as one transaction', async () => {
    const name = unique('batch')
    const [inserted, selected, counted] = await db.batch([
      db.insert(people).values({ name }).returning(),
      db.select().from(people).where(eq(people.name, name)),
      db.select({ n: raw`count(*)::int` }).from(people).where(eq(people.name, name)),
    ])
    own(inserted, tenant)
    own(selected, tenant)
    assert.deepEqual(counted, [{ n: 1 }])
    const failed = unique('failed')
    const err = await failure(db.batch([db.insert(people).values({ name: failed }), db.execute(raw`SELECT 1 / 0`)]))
    assert.equal((err.cause ?? err).code, '22012')
    assert.equal(await db.$count(people, eq(people.name, failed)), 0)
  })

  test('runs plain SQL', async () => {
    const result = await db.execute(raw`SELECT name, tenant FROM items WHERE name = ${'anvil'}`)
    assert.deepEqual(result.rows, [{ name: 'anvil', tenant }])
    assert.equal(result.rowCount, 1)
  })

  test('uses its relational queries', async () => {
    const found = await db.query.items.findFirst({ where: eq(items.name, 'magnet'), columns: { name: true, price: true, tenant: true } })
    assert.deepEqual(found, { name: 'magnet', price: null, tenant })
  })

  test('gives dates in every mode', async () => {
    const [row] = await db.select({ seen: raw`'2026-01-02 03:04:05.678+00'::timestamptz`.mapWith(people.seen), at: raw`timestamp '2026-01-02 03:04:05'`, span: raw`interval '1 day'` })
      .from(items).limit(1)
    assert.equal(row.seen.toISOString(), '2026-01-02T03:04:05.678Z')
    assert.deepEqual([row.at, row.span], ['2026-01-02 03:04:05', '1 day'])
  })

  test('reports an error with its code', async () => {
    const err = await failure(db.insert(items).values({ id: raw`default`, name: 'anvil' }))
    assert.equal((err.cause ?? err).code, '23505')
    assert.equal((err.cause ?? err).constraint, 'items_name_key')
  })
})
