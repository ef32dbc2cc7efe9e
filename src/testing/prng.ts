/**
 * Seeded pseudo-random numbers that come in streams: a draw added to one stream moves no other, so a seed goes on to mean
 * what it meant. The generator is sfc32 by Chris Doty-Humphrey (PractRand), the seed's hash cyrb128.
 */
import type { Random } from "../kernel/ports.ts";

export class Prng implements Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#seed = seed;
    [this.#a, this.#b, this.#c] = hash(seed);
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** An independent stream. The same name gives the same stream, whatever was drawn before. */
  stream(name: string): Prng {
    return new Prng(`${this.#seed}/${name}`);
  }

  float(): number {
    return this.#next() / 2 ** 32;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#next() & 255);
  }

  /** A whole number from `min` to `max`, both included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.float() * (max - min + 1));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.float() < probability;
  }

  /** @param items not empty */
  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)] as T;
  }

  /** One of the keys, with a probability that grows with its weight. At least one weight is above 0. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.float() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    return entries.findLast(([, weight]) => weight > 0)?.[0] as K;
  }

  #next(): number {
    const result = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }
}

function hash(text: string): [number, number, number] {
  let [a, b, c] = [1779033703, 3144134277, 1013904242];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = b ^ Math.imul(a ^ unit, 597399067);
    b = c ^ Math.imul(b ^ unit, 2869860233);
    c = a ^ Math.imul(c ^ unit, 951274213);
  }
  return [a >>> 0, b >>> 0, c >>> 0];
}
