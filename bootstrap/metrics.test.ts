import { expect, test } from '@jest/globals'
import { Counter, Histogram, labelText, Metrics, reading } from './metrics.ts'

test('the text format', () => {
  const metrics = new Metrics()
  const counter = new Counter('things_total', 'Things.')
  const histogram = new Histogram('seconds', 'Time.', [0.1, 1])
  metrics.register(
    counter,
    histogram,
    reading('gauge', 'open', 'Open.', () => [['', 3]]),
  )
  counter.add(labelText({ name: 'a', why: 'say "no"\\\n' }))
  counter.add('name="b"', 2)
  counter.add('name="b"')
  for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe('name="a"', value)
  histogram.observe('', 1)
  expect(metrics.text().split('\n')).toEqual([
    '# HELP things_total Things.',
    '# TYPE things_total counter',
    'things_total{name="a",why="say \\"no\\"\\\\\\n"} 1',
    'things_total{name="b"} 3',
    '# HELP seconds Time.',
    '# TYPE seconds histogram',
    'seconds_bucket{name="a",le="0.1"} 2',
    'seconds_bucket{name="a",le="1"} 3',
    'seconds_bucket{name="a",le="+Inf"} 4',
    'seconds_sum{name="a"} 7.65',
    'seconds_count{name="a"} 4',
    'seconds_bucket{le="0.1"} 0',
    'seconds_bucket{le="1"} 1',
    'seconds_bucket{le="+Inf"} 1',
    'seconds_sum 1',
    'seconds_count 1',
    '# HELP open Open.',
    '# TYPE open gauge',
    'open 3',
    '',
  ])
})
