/**
 * Passwords of basic authentication. HAProxy checks what crypt(3) knows; Apache's own two formats, which htpasswd
 * writes by default, are checked by a small Lua script that remembers what it found right.
 */
import { digest } from '../digest.ts'
import type { UserCheck } from './filters.ts'
import { Unrenderable, word } from './quote.ts'

export interface User {
  readonly name: string
  readonly hash: string
}

export interface UserTables {
  /** Lines of a userlist, without the first. */
  readonly lists: Map<string, readonly string[]>
  /** Hashes by user, for the script. */
  readonly maps: Map<string, ReadonlyMap<string, string>>
}

const forScript = /^(\$apr1\$|\{SHA\})/
const forCrypt = /^\$(1|2[aby]|5|6|y)\$|^[./0-9A-Za-z]{13}$/
const plain = '{PLAIN}'

export function userCheck(users: readonly User[], { lists, maps }: UserTables): UserCheck {
  const name = `users_${digest(JSON.stringify(users))}`
  const scripted = users.filter(({ hash }) => forScript.test(hash))
  const native = users.filter(({ hash }) => !forScript.test(hash))
  if (native.length > 0) lists.set(name, native.map(userLine))
  if (scripted.length === 0) return { lines: [], any: [`{ http_auth(${name}) }`] }
  for (const user of scripted)
    if (/\s/.test(user.name + user.hash)) throw new Unrenderable(`user ${user.name} contains a space`)
  maps.set(name, new Map(scripted.map(user => [user.name, user.hash])))
  return {
    lines: [`http-request set-var(txn.hash) http_auth_user,map_str(maps/${name})`],
    any: [...(native.length > 0 ? [`{ http_auth(${name}) }`] : []), '{ lua.skiff_password -m bool }'],
  }
}

function userLine({ name, hash }: User): string {
  if (hash.startsWith(plain)) return `  user ${word(name)} insecure-password ${word(hash.slice(plain.length))}`
  if (forCrypt.test(hash)) return `  user ${word(name)} password ${word(hash)}`
  throw new Unrenderable(`the password of user ${name} is in no format of htpasswd`)
}

/** `txn.hash` against the password of the request. MD5 and SHA-1 are OpenSSL's. */
export const passwordScript = String.raw`
local alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
local known, count = {}, 0

local function encode(value, length)
  local text = ''
  for _ = 1, length do
    text = text .. alphabet:sub((value & 63) + 1, (value & 63) + 1)
    value = value >> 6
  end
  return text
end

local function apr1(md5, password, salt)
  local inner = md5(password .. salt .. password)
  local text = password .. '$apr1$' .. salt
  for left = #password, 1, -16 do text = text .. inner:sub(1, math.min(16, left)) end
  local bits = #password
  while bits > 0 do
    text = text .. ((bits & 1) == 1 and '\0' or password:sub(1, 1))
    bits = bits >> 1
  end
  local sum = md5(text)
  for round = 0, 999 do
    local part = (round & 1) == 1 and password or sum
    if round % 3 ~= 0 then part = part .. salt end
    if round % 7 ~= 0 then part = part .. password end
    sum = md5(part .. ((round & 1) == 1 and sum or password))
  end
  local function three(a, b, c) return encode((sum:byte(a + 1) << 16) | (sum:byte(b + 1) << 8) | sum:byte(c + 1), 4) end
  return three(0, 6, 12) .. three(1, 7, 13) .. three(2, 8, 14) .. three(3, 9, 15) .. three(4, 10, 5) .. encode(sum:byte(12), 2)
end

local function matches(conv, hash, password)
  if hash:sub(1, 5) == '{SHA}' then return conv:base64(conv:sha1(password)) == hash:sub(6) end
  local salt = hash:match('^%$apr1%$([^$]*)%$')
  return salt ~= nil and '$apr1$' .. salt .. '$' .. apr1(function(text) return conv:digest(text, 'md5') end, password, salt) == hash
end

core.register_fetches('skiff_password', function(txn)
  local hash, password = txn:get_var('txn.hash'), txn.f:http_auth_pass()
  if hash == nil or password == nil then return false end
  local key = txn.c:base64(txn.c:digest(hash .. '\0' .. password, 'sha256'))
  if known[key] then return true end
  if not matches(txn.c, hash, password) then return false end
  if count > 1000 then known, count = {}, 0 end
  known[key], count = true, count + 1
  return true
end)
`
