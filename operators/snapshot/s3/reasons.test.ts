import { expect, test } from '@jest/globals'
import { defaultS3Config } from '../../../bootstrap/config/s3-config.ts'
import { reasonOf } from './reasons.ts'

const settings = { ...defaultS3Config, endpoint: 's3.test', bucket: 'b', accessKey: 'AK' }
const answer = (name: string, status: number, message = '', headers = {}) => ({
  name,
  message,
  $metadata: { httpStatusCode: status },
  $response: { headers },
})
const again = { passing: true, retriable: true }
const later = { passing: false, retriable: true }
const never = { passing: false, retriable: false }

test.each([
  [answer('SlowDown', 503, 'Reduce your rate'), 'SlowDown: Reduce your rate (HTTP 503)', again],
  [answer('XAmzContentSHA256Mismatch', 400), 'XAmzContentSHA256Mismatch (HTTP 400)', again],
  [answer('Unknown', 502), 's3.test answered HTTP 502 without a reason that S3 would give', again],
  [answer('UnknownError', 404), 's3.test answered HTTP 404 without a reason that S3 would give', never],
  [answer('NoSuchBucket', 404, 'UnknownError'), 'NoSuchBucket (HTTP 404)', never],
  [answer('ExpiredToken', 400), 'the session token is not valid any more (ExpiredToken)', never],
  [answer('AccessDenied', 403), 'access denied for access key AK', never],
  [answer('QuotaExceeded', 403), 'QuotaExceeded (HTTP 403)', never],
  [answer('UnknownError', 403), 'access denied for access key AK', never],
  [
    answer('PermanentRedirect', 301, '', { 'x-amz-bucket-region': 'eu-west-1' }),
    'bucket b is in region eu-west-1, not us-east-1: set etcd-s3-region',
    never,
  ],
  [answer('InvalidArgument', 400, 'first line\nsecond'), 'InvalidArgument: first line (HTTP 400)', never],
])('%j: %s', (error, text, { passing, retriable }) => {
  expect(reasonOf(error, settings)).toEqual({ text, passing, retriable, code: error.name })
})

test.each([
  [{ code: 'ECONNRESET' }, 'the connection to s3.test was broken (ECONNRESET)', again],
  [{ message: 'aborted' }, 'the connection to s3.test was broken', again],
  [{ name: 'TimeoutError', message: 'x' }, 'no answer from s3.test', again],
  [{ code: 'EHOSTUNREACH' }, 'no answer from s3.test', again],
  [{ code: 'ENOTFOUND', message: 'getaddrinfo' }, 'cannot resolve the host of s3.test: getaddrinfo', later],
  [{ code: 'ERR_PROXY_TUNNEL', message: 'no\nway' }, 'no', later],
  [{ code: 'ENOENT', message: 'ENOENT: no such file' }, 'ENOENT: no such file', later],
  [{ name: 'CredentialsProviderError', message: 'none' }, 'failed to get credentials: none', never],
])('%j: %s', (error, text, { passing, retriable }) => {
  expect(reasonOf(error, settings)).toEqual({ text, passing, retriable })
})
