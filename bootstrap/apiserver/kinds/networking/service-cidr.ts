/** ServiceCIDR and IPAddress. */
import { field } from '../../../api/errors.ts'
import type { IPAddress, ServiceCIDR } from '../../../api/types.gen.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable, requiredText } from '../common/checks.ts'
import { textErrors } from '../common/metadata.ts'
import { cidr, ipAddress, ipFamily } from '../common/names.ts'
import { groupText } from '../common/text.ts'

export const serviceCIDR = strategy<ServiceCIDR>({
  status: {},
  *validate({ spec }) {
    const ranges = spec?.cidrs ?? []
    if (ranges.length === 0) {
      return yield field.required('spec.cidrs', 'at least one CIDR required')
    }
    if (ranges.length > 2) {
      return yield field.invalid('spec', spec, 'may only hold up to 2 values')
    }
    for (const [index, range] of ranges.entries()) yield* textErrors(cidr, range, `spec.cidrs[${index}]`)
    if (ranges.length === 2 && ipFamily(ranges[0]!.split('/')[0]!) === ipFamily(ranges[1]!.split('/')[0]!)) {
      yield field.invalid(
        'spec',
        spec,
        'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
      )
    }
  },
  *validateUpdate({ spec }, old) {
    const before = old.spec?.cidrs ?? []
    const now = spec?.cidrs ?? []
    if (!before.every((range, index) => now[index] === range)) yield field.immutable('spec.cidrs', now)
  },
  columns: [nameColumn, column('CIDRs', object => (object.spec?.cidrs ?? []).join(',')), ageColumn],
})

export const ipAddressKind = strategy<IPAddress>({
  validateName: name => ipAddress(name),
  *validate({ spec }) {
    if (!spec?.parentRef) return yield field.required('spec.parentRef')
    yield* requiredText(spec.parentRef.resource, 'spec.parentRef.resource')
    yield* requiredText(spec.parentRef.name, 'spec.parentRef.name')
  },
  validateUpdate: ({ spec }, old) => immutable(spec?.parentRef, old.spec?.parentRef, 'spec.parentRef'),
  columns: [
    nameColumn,
    column('ParentRef', ({ spec }) => {
      const parent = spec?.parentRef
      if (!parent) return '<none>'
      const path = [groupText(parent.resource, parent.group), parent.namespace, parent.name]
      return path.filter(Boolean).join('/')
    }),
  ],
})
