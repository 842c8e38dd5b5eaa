/**
 * A 64-bit unsigned number to calculate with, in two halves. A file has millions of marks to check, and a `bigint` is allocated
 * for each step.
 */
export class Word64 {
  /** Both halves unsigned. */
  high = 0;
  low = 0;

  set(high: number, low: number): this {
    this.high = high >>> 0;
    this.low = low >>> 0;
    return this;
  }

  xor(high: number, low: number): this {
    this.high = (this.high ^ high) >>> 0;
    this.low = (this.low ^ low) >>> 0;
    return this;
  }

  /** x ^ x >> n, for n from 1 to 63. */
  xorShift(n: number): this {
    if (n >= 32) {
      this.low = (this.low ^ (this.high >>> (n - 32))) >>> 0;
    } else {
      this.low = (this.low ^ ((this.low >>> n) | (this.high << (32 - n)))) >>> 0;
      this.high = (this.high ^ (this.high >>> n)) >>> 0;
    }
    return this;
  }

  /** Modulo 2^64. */
  multiply(high: number, low: number): this {
    // 32 × 32 bits in quarters of 16, since only 53 bits of a product are exact.
    const a0 = this.low & 0xffff;
    const a1 = this.low >>> 16;
    const b0 = low & 0xffff;
    const b1 = low >>> 16;
    const low0 = a0 * b0;
    const middle = a1 * b0 + (low0 >>> 16);
    const middle2 = a0 * b1 + (middle & 0xffff);
    const carry = a1 * b1 + (middle >>> 16) + (middle2 >>> 16);
    const cross = Math.imul(this.high, low) + Math.imul(this.low, high);
    this.high = (carry + cross) >>> 0;
    this.low = ((middle2 << 16) | (low0 & 0xffff)) >>> 0;
    return this;
  }

  add(high: number, low: number): this {
    const sum = this.low + low;
    this.low = sum >>> 0;
    this.high = (this.high + high + (sum > 0xffff_ffff ? 1 : 0)) >>> 0;
    return this;
  }

  /** Sixteen hexadecimal digits. */
  toString(): string {
    return this.high.toString(16).padStart(8, '0') + this.low.toString(16).padStart(8, '0');
  }
}
