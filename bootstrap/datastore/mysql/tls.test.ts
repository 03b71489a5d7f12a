import { hasMysql, startMysql } from '../testing/mysql-server.ts'
import { tlsContract } from '../testing/tls-contract.ts'

tlsContract({
  scheme: 'mysql',
  installed: hasMysql,
  start: certificates => startMysql({ durable: false, tls: certificates.server }),
  certificateUser: 'cert_user',
  makeUser: [
    "CREATE USER cert_user@'127.0.0.1' REQUIRE X509",
    "GRANT ALL ON `by\\_certificate`.* TO cert_user@'127.0.0.1'",
  ],
})
