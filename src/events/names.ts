/** Names: numbers for strings that come again and again, from 0 on. */
export class Names {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];

  get size(): number {
    return this.#texts.length;
  }

  /** The number of a name; gives it one if it has none. */
  numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#texts.length;
    this.#numbers.set(name, number);
    this.#texts.push(name);
    return number;
  }

  find(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  text(number: number): string {
    return this.#texts[number] as string;
  }
}
