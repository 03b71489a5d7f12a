/**
 * An operator written with @dot-i/k8s-operator as its documentation shows; prints a line for everything that happens.
 * Usage: node dot-i-operator.cjs PATH-OF-THE-LIBRARY CRD-FILE
 */
const { default: Operator, ResourceEventType } = require(process.argv[2])

const finalizer = 'things.dot-i.example.com/cleanup'

class Things extends Operator {
  async init() {
    const { group, versions, plural } = await this.registerCustomResourceDefinition(process.argv[3])
    await this.watchResource(group, versions[0].name, plural, async event => {
      console.log(event.type, event.meta.name, event.object.metadata.generation)
      if (event.type === ResourceEventType.Deleted) return
      if (await this.handleResourceFinalizer(event, finalizer, async () => console.log('cleaned up'))) return
      const { generation } = event.object.metadata
      if (event.object.status?.observedGeneration === generation) return
      const meta = await this.setResourceStatus(event.meta, { observedGeneration: generation })
      console.log('status', await this.patchResourceStatus(meta, { phase: 'Seen' }) !== null)
    })
    console.log('ready')
  }
}

const silent = { debug() {}, info() {}, warn: console.log, error: console.log }
new Things(silent).start()
