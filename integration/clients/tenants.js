// What all suites share: where the server is, and how each tenant's client
// reaches it.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe } from 'node:test'
import { neonConfig } from './client.js'

const address = process.env.POOLKEEPER_URL
assert.ok(address, 'POOLKEEPER_URL must be the address of a running server, such as http://127.0.0.1:8080')

// The client derives https://api.<domain>/sql from the connection string by
// itself; a server without TLS needs this one line.
neonConfig.fetchEndpoint = `${address}/sql`

export const url = address
export const endpoint = `${address}/sql`
export const tenants = ['acme', 'globex']

/** The connection string of a tenant, with a key of its own. Nobody else has one. */
export const connectionString = (tenant) =>
  process.env[tenant.toUpperCase()] ?? `postgresql://app:secret@${tenant}.db.example.com/app`

/** Runs the suite once for each tenant. */
export function eachTenant(title, suite) {
  for (const tenant of tenants) {
    describe(`${title}, as ${tenant}`, () => suite({ tenant, connection: connectionString(tenant) }))
  }
}

/** Checks that there are rows, and that each carries the tenant's name. */
export function own(rows, tenant) {
  assert.ok(rows.length > 0, 'no rows')
  for (const row of rows) assert.equal(row.tenant, tenant)
  return rows
}

/** A name that no other test uses, whatever runs at the same time. */
export const unique = (prefix) => `${prefix} ${randomUUID()}`

/** Returns the error that a promise ends with. */
export async function failure(promise) {
  try {
    await promise
  } catch (err) {
    return err
  }
  assert.fail('no error')
}
