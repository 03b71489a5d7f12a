/** The program: the kernel's command line, given the operators as its userland. */
import { main } from './bootstrap/cli/main.ts'

await main(process, {
  userland: async () => (await import('./operators/index.ts')).userland,
  modules: async () => (await import('./operators/embedded-modules.ts')).embeddedModules,
})
