/** Who may approve and sign certificate requests, and which subjects are out of bounds (upstream: plugin/pkg/admission/certificates). */
import { isDeepStrictEqual } from 'node:util'
import type { CertificateSigningRequest } from '../../api/types.gen.ts'
import { parseRequest } from '../../pki/request.ts'
import { type Authorizer, attributesOf } from '../auth/authorizer.ts'
import { as, isFor, quote, refuse } from './common.ts'
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts'

const group = 'certificates.k8s.io'
const resource = 'certificatesigningrequests'

/** Allowed for the signer itself, or for all signers of its domain: "example.com/*". */
function mayUse(request: AdmissionRequest, authorizer: Authorizer, verb: string, signer: string): boolean {
  const names = [signer, `${signer.split('/')[0]}/*`]
  return names.some(
    name =>
      authorizer.authorize(attributesOf(request.user, verb, { group, version: '*', resource: 'signers', name }))
        .allowed,
  )
}

export function certificateApproval(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    validate(request) {
      if (request.operation !== 'UPDATE' || !isFor(request, group, resource, 'approval')) return
      const signer = (request.old as unknown as CertificateSigningRequest).spec.signerName
      if (!mayUse(request, authorizer, 'approve', signer)) {
        throw refuse(request, `user not permitted to approve requests with signerName ${quote(signer)}`)
      }
    },
  }
}

export function certificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    validate(request) {
      if (request.operation !== 'UPDATE' || !isFor(request, group, resource, 'status')) return
      const old = request.old as unknown as CertificateSigningRequest
      const { status } = as<CertificateSigningRequest>(request.object)
      const sameConditions = isDeepStrictEqual(old.status?.conditions ?? [], status?.conditions ?? [])
      if (old.status?.certificate === status?.certificate && sameConditions) return
      const signer = old.spec.signerName
      if (!mayUse(request, authorizer, 'sign', signer)) {
        throw refuse(request, `user not permitted to sign requests with signerName ${quote(signer)}`)
      }
    },
  }
}

export function certificateSubjectRestriction(): AdmissionPlugin {
  return {
    name: 'CertificateSubjectRestriction',
    validate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, group, resource)) return
      const { spec } = as<CertificateSigningRequest>(request.object)
      if (spec.signerName !== 'kubernetes.io/kube-apiserver-client') return
      if (organizations(request, spec.request).includes('system:masters')) {
        throw refuse(request, `use of ${spec.signerName} signer with system:masters group is not allowed`)
      }
    },
  }
}

function organizations(request: AdmissionRequest, encoded: string): readonly string[] {
  try {
    return parseRequest(Buffer.from(encoded, 'base64')).organizations
  } catch (error) {
    throw refuse(request, `failed to parse CSR: ${(error as Error).message}`)
  }
}
