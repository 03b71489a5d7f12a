/** The review kinds: objects that are answered, not stored (upstream: pkg/registry/authentication, pkg/registry/authorization). */
import { errors, type FieldError, field } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type {
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  TokenReview,
} from '../../api/types.gen.ts'
import type { Clock } from '../kinds/kind.ts'
import type { Authenticator } from './authenticate.ts'
import { type Attributes, type Authorizer, attributesOf } from './authorizer.ts'
import type { Rbac } from './rbac.ts'
import type { UserInfo } from './user.ts'

export interface ReviewDeps {
  readonly authenticator: Pick<Authenticator, 'authenticateToken'>
  readonly authorizer: Authorizer
  readonly rbac: Rbac
  /** Audiences of the API server: what a TokenReview without audiences asks for. */
  readonly audiences: readonly string[]
  readonly clock: Clock
}

export type ReviewHandler = (object: KubeObject, user: UserInfo) => Promise<KubeObject>

const authorization = 'authorization.k8s.io'

/** Handlers by kind. Each takes the posted object (LocalSubjectAccessReview: with metadata.namespace) and returns the answer. */
export function reviews(deps: ReviewDeps): ReadonlyMap<string, ReviewHandler> {
  return new Map<string, ReviewHandler>([
    ['TokenReview', object => tokenReview(object, deps)],
    ['SubjectAccessReview', async object => accessReview(object, 'SubjectAccessReview', deps)],
    ['LocalSubjectAccessReview', async object => accessReview(object, 'LocalSubjectAccessReview', deps)],
    ['SelfSubjectAccessReview', async (object, user) => selfAccessReview(object, user, deps)],
    ['SelfSubjectRulesReview', async (object, user) => rulesReview(object, user, deps)],
    ['SelfSubjectReview', async (object, user) => answer(object, { userInfo: infoOf(user) }, deps.clock)],
  ])
}

function answer(object: KubeObject, status: object, clock?: Clock): KubeObject {
  const creationTimestamp = clock && new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
  return { ...object, metadata: { ...object.metadata, ...(creationTimestamp ? { creationTimestamp } : {}) }, status }
}

function infoOf(user: UserInfo) {
  const { name, uid, groups, extra } = user
  return {
    username: name,
    ...(uid === '' ? {} : { uid }),
    ...(groups.length > 0 ? { groups } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  }
}

async function tokenReview(object: KubeObject, { authenticator, audiences }: ReviewDeps): Promise<KubeObject> {
  const { spec } = object as unknown as TokenReview
  if (!spec?.token) throw errors.badRequest('token is required for TokenReview in authentication')
  const asked = spec.audiences?.length ? spec.audiences : audiences
  const found = await authenticator.authenticateToken(spec.token, asked)
  if (!found) return answer(object, { user: {}, error: 'invalid bearer token' })
  const matched = found.audiences.length > 0 ? { audiences: found.audiences } : {}
  return answer(object, { authenticated: true, user: infoOf(found.user), ...matched })
}

function accessReview(object: KubeObject, kind: string, { authorizer }: ReviewDeps): KubeObject {
  const { spec } = object as unknown as SubjectAccessReview
  const problems = [...targetProblems(spec), ...subjectProblems(spec)]
  const local = kind === 'LocalSubjectAccessReview'
  const namespace = object.metadata.namespace ?? ''
  if (local) {
    if (spec.nonResourceAttributes) {
      problems.push(
        field.invalid('spec.nonResourceAttributes', spec.nonResourceAttributes, 'disallowed on this kind of request'),
      )
    } else if ((spec.resourceAttributes?.namespace ?? '') !== namespace) {
      problems.push(
        field.invalid(
          'spec.resourceAttributes.namespace',
          spec.resourceAttributes?.namespace ?? '',
          'must match metadata.namespace',
        ),
      )
    }
  }
  if (problems.length > 0) throw errors.invalid({ group: authorization, kind }, '', problems)
  const user: UserInfo = {
    name: spec.user ?? '',
    uid: spec.uid ?? '',
    groups: spec.groups ?? [],
    extra: Object.fromEntries(Object.entries(spec.extra ?? {}).map(([key, values]) => [key.toLowerCase(), values])),
  }
  return answer(object, decide(authorizer, user, spec))
}

function selfAccessReview(object: KubeObject, user: UserInfo, { authorizer }: ReviewDeps): KubeObject {
  const { spec } = object as unknown as SubjectAccessReview
  const problems = targetProblems(spec)
  if (problems.length > 0) {
    throw errors.invalid({ group: authorization, kind: 'SelfSubjectAccessReview' }, '', problems)
  }
  return answer(object, decide(authorizer, user, spec))
}

function targetProblems(spec: SubjectAccessReviewSpec): FieldError[] {
  const { resourceAttributes, nonResourceAttributes } = spec
  if (resourceAttributes && nonResourceAttributes) {
    return [
      field.invalid(
        'spec.nonResourceAttributes',
        nonResourceAttributes,
        'cannot be specified in combination with resourceAttributes',
      ),
    ]
  }
  if (resourceAttributes || nonResourceAttributes) return []
  return [
    field.invalid(
      'spec.resourceAttributes',
      null,
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    ),
  ]
}

function subjectProblems(spec: SubjectAccessReviewSpec): FieldError[] {
  if (spec.user || spec.groups?.length) return []
  return [field.invalid('spec.user', spec.user ?? '', 'at least one of user or group must be specified')]
}

function decide(authorizer: Authorizer, user: UserInfo, spec: SubjectAccessReviewSpec) {
  const { allowed, reason } = authorizer.authorize(attributesOfSpec(user, spec))
  return { allowed, ...(reason === '' ? {} : { reason }) }
}

function attributesOfSpec(user: UserInfo, spec: SubjectAccessReviewSpec): Attributes {
  const { resourceAttributes: asked, nonResourceAttributes: url } = spec
  if (!asked) return attributesOf(user, url?.verb ?? '', { path: url?.path ?? '' })
  const { group = '', version = '', resource = '', subresource = '', namespace = '', name = '' } = asked
  const requirements = asked.fieldSelector?.requirements ?? []
  const exact = requirements.filter(one => one.operator === 'In' && one.values?.length === 1)
  const fields = Object.fromEntries(exact.map(one => [one.key, one.values![0]!]))
  return attributesOf(user, asked.verb ?? '', { group, version, resource, subresource, namespace, name, fields })
}

/** What role bindings grant; the rights of system:masters come from no rule and are not told, as upstream. */
function rulesReview(object: KubeObject, user: UserInfo, { rbac }: ReviewDeps): KubeObject {
  const { spec } = object as unknown as SelfSubjectRulesReview
  if (!spec?.namespace) throw errors.badRequest('no namespace on request')
  const found = rbac.rulesOf(user, spec.namespace)
  const resourceRules = found.rules.filter(rule => rule.resources?.length)
  const nonResourceRules = found.rules.filter(rule => rule.nonResourceURLs?.length)
  return answer(object, {
    resourceRules: resourceRules.map(({ verbs, apiGroups, resources, resourceNames }) => ({
      verbs,
      apiGroups,
      resources,
      ...(resourceNames ? { resourceNames } : {}),
    })),
    nonResourceRules: nonResourceRules.map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: found.errors.length > 0,
    ...(found.errors.length > 0 ? { evaluationError: found.errors.join(', ') } : {}),
  })
}
