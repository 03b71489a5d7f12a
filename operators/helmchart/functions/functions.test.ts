/** Functions whose results are not recorded: those of chance, keys and the clock, and what changes values in place. */
import { createPrivateKey, createPublicKey, createSign, createVerify, X509Certificate } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { bcryptHash } from './bcrypt.ts'
import { evaluated } from './testing/evaluate.ts'

describe('values are changed in place', () => {
  test.each([
    ['{{ $_ := set .Values.m "new" 1 }}{{ .Values.m.new }}', '1'],
    ['{{ $_ := unset .Values.m "a" }}{{ hasKey .Values.m "a" }}', 'false'],
    ['{{ $_ := merge .Values.em (dict "k" (dict "n" 1)) }}{{ .Values.em.k.n }}', '1'],
    ['{{ $d := dict "x" 1 }}{{ $_ := mergeOverwrite $d (dict "x" 2 "y" 3) }}{{ $d }}', 'map[x:2 y:3]'],
    ['{{ $c := deepCopy .Values.m }}{{ $_ := set $c.c "d" 0 }}{{ len .Values.m.c.d }}', '2'],
    ['{{ $s := dict "in" (dict) }}{{ $d := merge (dict) $s }}{{ $_ := set $d.in "k" 1 }}{{ $s }}', 'map[in:map[k:1]]'],
    ['{{ $_ := set .Values.m "__proto__" (dict "x" 1) }}{{ .Values.m.x }}{{ index .Values.m "__proto__" "x" }}', '1'],
    ['{{ .Values.m.constructor }}{{ hasKey .Values.m "toString" }}{{ dig "valueOf" "none" .Values.m }}', 'falsenone'],
  ])('%s', (template, output) => {
    expect(evaluated(template)).toBe(output)
  })
})

describe('chance', () => {
  test.each([
    ['{{ randAlphaNum 24 }}', /^[A-Za-z0-9]{24}$/],
    ['{{ randAlpha 10 }}', /^[A-Za-z]{10}$/],
    ['{{ randNumeric 6 }}', /^[0-9]{6}$/],
    ['{{ randAscii 12 }}', /^[ -~]{12}$/],
    ['{{ randBytes 4 }}', /^AAECAw==$/],
    ['{{ uuidv4 }}', /^00010203-0405-4607-8809-0a0b0c0d0e0f$/],
    ['{{ randInt 5 9 }}', /^[5-8]$/],
    ['{{ randInt 5 5 }}', /^error: .*invalid argument to Intn$/],
    ['{{ shuffle "abc" | len }}', /^3$/],
    ['{{ randAlphaNum 0 }}{{ randAlphaNum -1 }}', /^$/],
  ])('%s', (template, pattern) => {
    expect(evaluated(template)).toMatch(pattern)
  })
})

describe('the clock', () => {
  test.each([
    ['{{ now | date "2006-01-02 15:04:05 MST" }}', '2024-03-05 14:15:16 UTC'],
    ['{{ now.Year }} {{ now.Month }} {{ now.Unix }} {{ now.Weekday }}', '2024 March 1709648116 Tuesday'],
    ['{{ (now | dateModify "-48h").Format "Mon Jan _2" }}', 'Sun Mar  3'],
    ['{{ ago (now | dateModify "-90m") }}', '1h30m0s'],
    ['{{ now | unixEpoch }}', '1709648116'],
    ['{{ dateInZone "15:04 MST" now "America/New_York" }}', '09:15 EST'],
    ['{{ dateInZone "15:04 -0700" now "Asia/Kolkata" }}', '19:45 +0530'],
    ['{{ htmlDate (now) }} {{ (now.AddDate 0 1 30).Format "2006-01-02" }}', '2024-03-05 2024-05-05'],
    ['{{ (now.Sub (now | dateModify "-1h")).Minutes }} {{ now.Before (now | dateModify "1s") }}', '60 true'],
    ['{{ now }}', '2024-03-05 14:15:16.789 +0000 UTC'],
  ])('%s', (template, output) => {
    expect(evaluated(template)).toBe(output)
  })
})

describe('passwords and ciphers', () => {
  test('bcrypt agrees with the reference vectors', () => {
    const salt = Buffer.from('10410410410410410410410410410410', 'hex')
    expect(bcryptHash(Buffer.from('U*U'), salt, 5)).toBe('$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')
    expect(bcryptHash(Buffer.from(''), salt, 5)).toBe('$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy')
  })

  test('htpasswd names the user and refuses a colon in it', () => {
    expect(evaluated('{{ htpasswd "u" "p" }}')).toMatch(/^u:\$2a\$10\$[./A-Za-z0-9]{53}$/)
    expect(evaluated('{{ htpasswd "u:" "p" }}')).toBe('invalid username: u:')
  })

  test('derivePassword agrees with Sprig', () => {
    expect(evaluated('{{ derivePassword 1 "long" "password" "user" "example.com" }}')).toBe('ZedaFaxcZaso9*')
    expect(evaluated('{{ derivePassword 2 "pin" "password" "user" "example.com" }}')).toBe('3882')
    expect(evaluated('{{ derivePassword 1 "maximum" "password" "usér" "example.com" }}')).toBe('uHtTbmPY6wR5UWNwVj4(')
    expect(evaluated('{{ derivePassword 1 "other" "p" "u" "s" }}')).toBe('cannot find password template other')
  })

  test('what encryptAES writes, decryptAES reads', () => {
    expect(evaluated('{{ encryptAES "key" "some plain text" | decryptAES "key" }}')).toBe('some plain text')
    expect(evaluated('{{ decryptAES "key" "30tEfhuJSVRhpG97XCuWgz2okj7L8vQ1s6V9zVUPeDQ=" | len }}')).toMatch(
      /^\d+$|^error/,
    )
  })
})

describe('keys and certificates', () => {
  test.each([
    ['rsa', 'RSA PRIVATE KEY', 'rsa'],
    ['ecdsa', 'EC PRIVATE KEY', 'ec'],
    ['ed25519', 'PRIVATE KEY', 'ed25519'],
  ])('genPrivateKey "%s"', (kind, label, type) => {
    const pem = evaluated(`{{ genPrivateKey "${kind}" }}`)
    expect(pem).toMatch(new RegExp(`^-----BEGIN ${label}-----\n`))
    expect(createPrivateKey(pem).asymmetricKeyType).toBe(type)
  })

  test('genPrivateKey "dsa" writes the old form: version, P, Q, G, Y, X', () => {
    const pem = evaluated('{{ genPrivateKey "dsa" }}')
    expect(pem).toMatch(/^-----BEGIN DSA PRIVATE KEY-----\n/)
    const key = createPrivateKey(pem)
    const signature = createSign('sha256').update('text').sign(key)
    expect(createVerify('sha256').update('text').verify(createPublicKey(key), signature)).toBe(true)
  })

  test('genCA and genSignedCert make a chain', () => {
    const template = `{{ $ca := genCA "the ca" 365 }}{{ $c := genSignedCert "web" (list "10.0.0.1") (list "web.example" "*.x") 30 $ca }}
{{- list $ca.Cert $ca.Key $c.Cert $c.Key | toJson }}`
    const [caCert, caKey, cert, key] = JSON.parse(evaluated(template)) as string[]
    const authority = new X509Certificate(caCert!)
    const leaf = new X509Certificate(cert!)
    expect(authority.ca).toBe(true)
    expect(authority.checkPrivateKey(createPrivateKey(caKey!))).toBe(true)
    expect(leaf.verify(authority.publicKey)).toBe(true)
    expect(leaf.checkPrivateKey(createPrivateKey(key!))).toBe(true)
    expect(leaf.subject).toBe('CN=web')
    expect(leaf.subjectAltName).toBe('DNS:web.example, DNS:*.x, IP Address:10.0.0.1')
    expect(leaf.validTo).toBe('Apr  4 14:15:16 2024 GMT')
  })

  test('a key of one’s own is used', () => {
    const template = `{{ $k := genPrivateKey "ecdsa" }}{{ $ca := genCAWithKey "x" 1 $k }}{{ $c := genSelfSignedCertWithKey "y" nil nil 1 $k }}
{{- eq $ca.Key $k }} {{ eq $c.Key $k }} {{ (buildCustomCert (b64enc $c.Cert) (b64enc $k)).Cert | eq $c.Cert }}`
    expect(evaluated(template)).toBe('true true true')
  })

  test.each([
    ['{{ genSelfSignedCert "x" (list 1) nil 1 }}', 'error parsing ip: 1 is not a string'],
    ['{{ genSelfSignedCert "x" (list "a") nil 1 }}', 'error parsing ip: a'],
    ['{{ genSelfSignedCert "x" nil (list true) 1 }}', 'error processing alternate dns name: true is not a string'],
    ['{{ genCAWithKey "x" 1 "bad" }}', 'parsing private key: no PEM data in input'],
    ['{{ buildCustomCert "!" "" }}', 'unable to decode base64 certificate'],
    ['{{ buildCustomCert "eA==" "eA==" }}', 'unable to decode certificate'],
  ])('%s', (template, message) => {
    expect(evaluated(template)).toMatch(new RegExp(`^error: .*: ${message}$`, 's'))
  })
})

test('a pattern that would take JavaScript forever ends at once', () => {
  expect(evaluated(`{{ regexMatch "^(a+)+$" (printf "%sb" (repeat 40000 "a")) }}`)).toBe('false')
})

test('values that contain themselves are an error, not the end of the process', () => {
  const cycle = '{{ $_ := set .Values.m "m" .Values.m }}{{ .Values.m | '
  expect(evaluated(`${cycle}toYaml }}`)).toBe('')
  expect(evaluated(`${cycle}toPrettyJson }}`)).toBe('')
  expect(evaluated(`${cycle}mustToJson }}`)).toMatch(
    /error calling mustToJson: json: unsupported value: encountered a cycle/,
  )
  expect(evaluated(`${cycle}print }}`)).toMatch(/^error: .*nested/)
})
