// The client that the suites are about: POOLKEEPER_CLIENT names another
// version of it, by the name that package.json gives it.
const client = await import(process.env.POOLKEEPER_CLIENT ?? '@neondatabase/serverless')

export const { neon, neonConfig, NeonDbError, Pool, types } = client
