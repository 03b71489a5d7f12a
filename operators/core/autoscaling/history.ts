/** What an autoscaler remembers between looks: its recommendations and what it did. */

export interface Recommendation {
  readonly replicas: number
  /** ms since the epoch */
  readonly at: number
}

export interface ScaleEvent {
  /** How many replicas more or fewer; never negative. */
  readonly change: number
  readonly at: number
}

export class History {
  recommendations: Recommendation[] = []
  ups: ScaleEvent[] = []
  downs: ScaleEvent[] = []

  /** Remembers a recommendation as long as one of the windows reaches back to it. */
  recommend(replicas: number, now: number, keepMs: number): void {
    this.recommendations = this.recommendations.filter(({ at }) => at >= now - keepMs)
    this.recommendations.push({ replicas, at: now })
  }

  /** Remembers a change for the longest period of a policy. */
  scaled(from: number, to: number, now: number, keepMs: number): void {
    const events = (list: readonly ScaleEvent[]) => [
      ...list.filter(({ at }) => at >= now - keepMs),
      { change: Math.abs(to - from), at: now },
    ]
    if (to > from) this.ups = events(this.ups)
    else this.downs = events(this.downs)
  }
}
