/** `skiff agent` alone: what a node needs and no more, so that it does not hold the text of a whole server in memory. */
import { main } from './bootstrap/cli/main.ts'

await main(process, {
  userland: () => Promise.reject(new Error('this is the program of agents: see skiff.ts')),
  modules: async () => (await import('./operators/embedded-modules.ts')).embeddedModules,
})
