import { postgresPrograms, startPostgres } from '../testing/postgres-server.ts'
import { tlsContract } from '../testing/tls-contract.ts'

tlsContract({
  scheme: 'postgres',
  installed: postgresPrograms !== undefined,
  start: certificates => startPostgres({ durable: false, tls: certificates.server }),
  certificateUser: 'cert_user',
  makeUser: ['CREATE ROLE cert_user LOGIN CREATEDB'],
})
