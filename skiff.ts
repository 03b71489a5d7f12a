/** The program: the kernel's command line, given the operators as its userland. */
import { main } from './bootstrap/cli/main.ts'

await main(process, async () => (await import('./operators/index.ts')).userland)
