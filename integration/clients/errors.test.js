import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neon, NeonDbError } from './client.js'
import { connectionString, eachTenant, failure, own, url } from './tenants.js'

eachTenant('an error', ({ tenant, connection }) => {
  const sql = neon(connection)

  test('has the fields of PostgreSQL', async () => {
    const err = await failure(sql`INSERT INTO items (name, price) VALUES ('negative', -1)`)
    assert.ok(err instanceof NeonDbError)
    assert.equal(err.message, 'new row for relation "items" violates check constraint "price_is_not_negative"')
    assert.equal(err.code, '23514')
    assert.equal(err.severity, 'ERROR')
    assert.equal(err.table, 'items')
    assert.equal(err.constraint, 'price_is_not_negative')
    assert.match(err.detail, /Failing row contains/)
    assert.equal(err.schema, tenant === 'acme' ? 'acme' : err.schema)
    assert.equal(err.routine, 'ExecConstraints')
    assert.match(err.line, /^[0-9]+$/)
  })

  test('says where in the query', async () => {
    const err = await failure(sql`SELECT nothing`)
    assert.deepEqual([err.code, err.position], ['42703', '8'])
  })

  test('of a duplicate names its constraint', async () => {
    const err = await failure(sql`INSERT INTO items (name) VALUES ('anvil')`)
    assert.deepEqual([err.code, err.constraint, err.detail], ['23505', 'items_name_key', 'Key (name)=(anvil) already exists.'])
  })

  test('of the wrong number of parameters comes from PostgreSQL', async () => {
    const few = await failure(sql.query('SELECT $1, $2', ['one']))
    assert.equal(few.code, '08P01')
    assert.match(few.message, /^bind message supplies 1 parameters/)
    assert.equal((await failure(sql.query('SELECT 1', ['one']))).code, '08P01')
  })

  test('of two statements is a syntax error', async () => {
    const err = await failure(sql.query('SELECT 1; SELECT 2'))
    assert.deepEqual([err.code, err.message], ['42601', 'cannot insert multiple commands into a prepared statement'])
  })

  test('of COPY comes at once', async () => {
    for (const copy of ['COPY items TO STDOUT', 'COPY items FROM STDIN', '/* x */ copy (SELECT 1) TO STDOUT']) {
      assert.ok((await failure(sql.query(copy))) instanceof NeonDbError)
    }
  })

  test('of a NUL character is an error and no more', async () => {
    assert.ok((await failure(sql`SELECT ${'a\u0000b'}`)) instanceof NeonDbError)
  })

  test('leaves the next query alone', async () => {
    await failure(sql`SELECT 1 / 0`)
    own(await sql`SELECT tenant FROM items`, tenant)
  })

  test('of another tenant\'s rows', async () => {
    const other = tenant === 'acme' ? 'globex' : 'acme'
    const err = await failure(sql.query(`SELECT * FROM ${other}.items`))
    assert.match(err.code, /^(42501|42P01|3F000)$/)
  })
})

test('an unknown tenant looks like a wrong password', async () => {
  const bodies = []
  for (const tenant of ['nobody', 'NOBODY-', 'x'.repeat(64)]) {
    const err = await failure(neon(connectionString(tenant))`SELECT 1`)
    assert.ok(err instanceof NeonDbError)
    bodies.push([err.code, err.message])
  }
  for (const body of bodies) assert.deepEqual(body, ['28P01', "password authentication failed for user 'app'"])
})

test('a server that is not there is a connection error with its source', async () => {
  const err = await failure(neon(connectionString('acme'), { fetchOptions: { signal: AbortSignal.abort() } })`SELECT 1`)
  assert.ok(err instanceof NeonDbError)
  assert.match(err.message, /^Error connecting to database: /)
  assert.ok(err.sourceError)
})

test('every error body has the 17 keys', async () => {
  const keys = ['message', 'code', 'detail', 'hint', 'position', 'internalPosition', 'internalQuery', 'severity', 'where', 'table', 'column', 'schema',
    'dataType', 'constraint', 'file', 'line', 'routine']
  for (const body of ['{"query":"SELECT nothing"}', '{', '{"query":1}', '{"query":"COPY items TO STDOUT"}']) {
    const answer = await fetch(`${url}/sql`, { method: 'POST', body, headers: { 'Neon-Connection-String': connectionString('acme') } })
    assert.equal(answer.status, 400)
    assert.deepEqual(Object.keys(await answer.json()), keys)
  }
})
