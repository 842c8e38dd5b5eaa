/** Names: numbers for strings that come again and again, from 0 on. */
export class Names {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];
  /** What was asked for last: names mostly come several times in a row. */
  #last: string | undefined;
  #lastNumber = 0;

  get size(): number {
    return this.#texts.length;
  }

  /** The number of a name; gives it one if it has none. */
  numberOf(name: string): number {
    const known = this.find(name);
    if (known !== undefined) return known;
    const number = this.#texts.length;
    this.#numbers.set(name, number);
    this.#texts.push(name);
    return number;
  }

  find(name: string): number | undefined {
    if (name === this.#last) return this.#lastNumber;
    const number = this.#numbers.get(name);
    if (number !== undefined) {
      this.#last = this.#texts[number] as string;
      this.#lastNumber = number;
    }
    return number;
  }

  text(number: number): string {
    return this.#texts[number] as string;
  }
}
