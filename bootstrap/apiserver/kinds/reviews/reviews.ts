/** Kinds that are questions: a POST is answered and nothing is stored. */
import { field } from '../../../api/errors.ts'
import type { SelfSubjectAccessReview, SubjectAccessReview, TokenReview } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { strategy } from '../common/build.ts'

type Asked = SelfSubjectAccessReview['spec'] | undefined

function* attributesErrors(spec: Asked): Errors {
  const { resourceAttributes, nonResourceAttributes } = spec ?? {}
  if (resourceAttributes && nonResourceAttributes) {
    const text = 'cannot be specified in combination with resourceAttributes'
    yield field.invalid('spec.nonResourceAttributes', nonResourceAttributes, text)
  }
  if (!resourceAttributes && !nonResourceAttributes) {
    const text = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
    yield field.invalid('spec.resourceAttributes', null, text)
  }
}

function* subjectErrors({ spec }: SubjectAccessReview): Errors {
  yield* attributesErrors(spec)
  if (!spec?.user && !spec?.groups?.length) {
    yield field.invalid('spec.user', spec?.user ?? '', 'at least one of user or group must be specified')
  }
}

const anonymous = { validateName: () => [], virtual: true } as const

/** Any review without rules of its own. */
export const review = strategy<object>({ ...anonymous })

export const tokenReview = strategy<TokenReview>({
  ...anonymous,
  *validate({ spec }) {
    if (!spec?.token) yield field.required('spec.token', 'token is required for TokenReview in authentication')
  },
})

export const selfSubjectAccessReview = strategy<SelfSubjectAccessReview>({
  ...anonymous,
  validate: object => attributesErrors(object.spec),
})

export const subjectAccessReview = strategy<SubjectAccessReview>({ ...anonymous, validate: subjectErrors })

export const localSubjectAccessReview = strategy<SubjectAccessReview>({
  ...anonymous,
  *validate(object) {
    yield* subjectErrors(object)
    const { resourceAttributes, nonResourceAttributes } = object.spec ?? {}
    if (resourceAttributes && resourceAttributes.namespace !== object.metadata?.namespace) {
      const text = 'must match metadata.namespace'
      yield field.invalid('spec.resourceAttributes.namespace', resourceAttributes.namespace ?? '', text)
    }
    if (nonResourceAttributes) {
      const text = 'disallowed on this kind of request'
      yield field.invalid('spec.nonResourceAttributes', nonResourceAttributes, text)
    }
  },
})
