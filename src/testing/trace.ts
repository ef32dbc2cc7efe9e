/** What happened in a simulation, in order: as a hash, and on demand as lines. */
export class Trace {
  readonly #lines: string[] | null;
  #high = 0xcbf29ce4;
  #low = 0x84222325;

  constructor(keep: boolean) {
    this.#lines = keep ? [] : null;
  }

  add(at: number, what: string): void {
    const line = `${at.toFixed(3)} ${what}`;
    this.#lines?.push(line);
    for (let i = 0; i < line.length; i++) {
      const unit = line.charCodeAt(i);
      this.#low = Math.imul(this.#low ^ unit, 0x01000193);
      this.#high = Math.imul(this.#high ^ (unit + this.#low), 0x85ebca6b);
    }
  }

  /** 64 bits, hex. Equal traces have equal hashes. */
  get hash(): string {
    return [this.#high, this.#low].map((part) => (part >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** Empty unless lines are kept. */
  get lines(): readonly string[] {
    return this.#lines ?? [];
  }
}
