/** ServiceAccount. */
import type { ServiceAccount } from '../../../api/types.gen.ts'
import { ageColumn, nameColumn, strategy } from '../common/build.ts'
import { countColumn } from '../common/workload-columns.ts'

export const serviceAccount = strategy<ServiceAccount>({
  columns: [nameColumn, countColumn('Secrets', object => object.secrets?.length), ageColumn],
})
