/** Unit and integration suites run as native ES modules; swc only strips the types. */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  // Ends what hangs, not what a busy machine makes slow.
  testTimeout: 30_000,
  globalSetup: '<rootDir>/test/testbed/run-setup.js',
  globalTeardown: '<rootDir>/test/testbed/run-teardown.js',
  testMatch: ['<rootDir>/{bootstrap,operators,scripts,test}/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.tools/'],
}
