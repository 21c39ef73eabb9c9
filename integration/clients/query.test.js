import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neon, neonConfig, Pool, types } from './client.js'
import { connectionString, eachTenant, own, tenants, unique } from './tenants.js'

eachTenant('a query', ({ tenant, connection }) => {
  const sql = neon(connection)

  test('as a template', async () => {
    const rows = own(await sql`SELECT name, tenant FROM items WHERE name = ${'anvil'}`, tenant)
    assert.deepEqual(rows, [{ name: 'anvil', tenant }])
  })

  test('with composed templates', async () => {
    const condition = sql`name IN (${'anvil'}, ${'rocket'})`
    const rows = own(await sql`SELECT name, tenant FROM items WHERE ${condition} ORDER BY ${sql.unsafe('name')}`, tenant)
    assert.deepEqual(rows.map((r) => r.name), ['anvil', 'rocket'])
  })

  test('as a function', async () => {
    own(await sql.query('SELECT * FROM items WHERE name = $1', ['rocket']), tenant)
    assert.deepEqual(await sql.query('SELECT 1 AS one;'), [{ one: 1 }])
    assert.deepEqual(await sql.query(''), [])
  })

  test('with arrays for rows', async () => {
    const arrays = neon(connection, { arrayMode: true })
    assert.deepEqual(await arrays`SELECT name, tenant FROM items WHERE name = 'anvil'`, [['anvil', tenant]])
    assert.deepEqual(await sql.query('SELECT 1 AS a, 2 AS a', [], { arrayMode: true }), [[1, 2]])
    assert.deepEqual(await sql.query('SELECT 1 AS a, 2 AS a'), [{ a: 2 }])
  })

  test('with full results', async () => {
    const full = neon(connection, { fullResults: true })
    const name = unique('full')
    const inserted = await full`INSERT INTO items (name) VALUES (${name}) RETURNING name, tenant`
    assert.equal(inserted.command, 'INSERT')
    assert.equal(inserted.rowCount, 1)
    assert.equal(inserted.rowAsArray, false)
    own(inserted.rows, tenant)
    assert.deepEqual(inserted.fields.map((f) => [f.name, f.dataTypeID, f.columnID, f.dataTypeSize, f.dataTypeModifier, f.format]), [
      ['name', 25, 2, -1, -1, 'text'], ['tenant', 25, 4, -1, -1, 'text'],
    ])
    assert.ok(inserted.fields[0].tableID > 0)
    const deleted = await full`DELETE FROM items WHERE name = ${name}`
    assert.deepEqual([deleted.command, deleted.rowCount, deleted.rows], ['DELETE', 1, []])
    const shown = await full`SHOW server_version_num`
    assert.deepEqual([shown.command, shown.rowCount], ['SHOW', null])
    const none = await full`SELECT * FROM items WHERE false`
    assert.deepEqual([none.rowCount, none.rows.length, none.fields.length], [0, 0, 4])
  })

  test('through Pool.query over HTTP', async (t) => {
    neonConfig.poolQueryViaFetch = true
    t.after(() => { neonConfig.poolQueryViaFetch = false })
    const pool = new Pool({ connectionString: connection })
    const result = await pool.query('SELECT name, tenant FROM items WHERE name = $1', ['anvil'])
    assert.equal(result.rowCount, 1)
    own(result.rows, tenant)
    await pool.end()
  })

  test('gives each type back', async () => {
    const [row] = await sql`SELECT
      ${1}::int AS int4, ${'9007199254740993'}::int8 AS int8, ${9007199254740993n}::int8 AS bigint, ${1.5}::float8 AS float8, ${NaN}::float8 AS nan,
      ${'1.50'}::numeric AS numeric, ${true} AS text_true, ${true}::bool AS bool, ${null}::text AS none, ${undefined}::text AS undef,
      ${'é😀"\\\n'} AS text, ${'42'} AS untyped, ${{ a: [1, null, 'x'] }}::jsonb AS jsonb, ${JSON.stringify([1, 'two'])}::json AS json,
      ${[1, 2, 3]}::int[] AS ints, ${['a', null, 'NULL', '', 'q"\\,{}']}::text[] AS texts, ${[[1, 2], [3, 4]]}::int[] AS matrix, ${[]}::int[] AS empty,
      ${new Date('2026-01-02T03:04:05.678Z')}::timestamptz AS at, ${Buffer.from('ABC')} AS bytes, '{}'::text[] AS nothing,
      '[1,5)'::int4range AS range, ARRAY[true, false] AS bools, ${'00000000-0000-4000-8000-000000000001'}::uuid AS uuid`
    assert.deepEqual({ ...row, at: row.at.toISOString(), bytes: row.bytes.toString() }, {
      int4: 1, int8: '9007199254740993', bigint: '9007199254740993', float8: 1.5, nan: NaN,
      numeric: '1.50', text_true: 'true', bool: true, none: null, undef: null,
      text: 'é😀"\\\n', untyped: '42', jsonb: { a: [1, null, 'x'] }, json: [1, 'two'],
      ints: [1, 2, 3], texts: ['a', null, 'NULL', '', 'q"\\,{}'], matrix: [[1, 2], [3, 4]], empty: [],
      at: '2026-01-02T03:04:05.678Z', bytes: 'ABC', nothing: [],
      range: '[1,5)', bools: [true, false], uuid: '00000000-0000-4000-8000-000000000001',
    })
  })

  test('heeds the parsers of the application', async () => {
    const parsers = { getTypeParser: (oid, format) => (oid === 20 ? BigInt : types.getTypeParser(oid, format)) }
    assert.deepEqual(await sql.query('SELECT 9007199254740993 AS n, 1 AS i', [], { types: parsers }), [{ n: 9007199254740993n, i: 1 }])
  })

  test('with many rows', async () => {
    const rows = await sql`SELECT i, repeat('x', 100) AS x, ${tenant} AS tenant FROM generate_series(1, 10000) i`
    assert.equal(own(rows, tenant).length, 10_000)
    assert.equal(rows[9_999].i, 10_000)
  })

  test('leaves no session behind', async () => {
    const before = await sql`SHOW intervalstyle`
    await sql`SET intervalstyle = 'iso_8601'`
    await sql`SET search_path = public`
    await sql`BEGIN`
    for (let i = 0; i < 10; i++) {
      assert.deepEqual(await sql`SHOW intervalstyle`, before)
      own(await sql`SELECT tenant FROM items`, tenant)
    }
  })

  test('stops when its signal says so', async () => {
    const control = new AbortController()
    const waiting = sql.query('SELECT pg_sleep(60)', [], { fetchOptions: { signal: control.signal } })
    control.abort()
    await assert.rejects(waiting)
    own(await sql`SELECT tenant FROM items`, tenant)
  })
})

test('two tenants at the same time see their own rows only', async () => {
  await Promise.all(Array.from({ length: 400 }, async (_, i) => {
    const tenant = tenants[i % tenants.length]
    own(await neon(connectionString(tenant))`SELECT tenant FROM items`, tenant)
  }))
})
