// Where the compiled code lies. A CommonJS file, because `__filename` is there in it whether an ES module or a CommonJS
// module asks; `import.meta` would not survive the CommonJS build.
export const here: string = __filename;
