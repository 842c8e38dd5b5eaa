// Where a packed addon lies, as src/internal/load-binding.ts looks for it: prebuilds/<platform>-<arch>[-musl]/mmcb.node
export function prebuildName() {
  const isMusl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime;
  return `prebuilds/${process.platform}-${process.arch}${isMusl ? '-musl' : ''}/mmcb.node`;
}
