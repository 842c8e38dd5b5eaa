/** mmcb inspect: a file as it is, as a page in the browser or as a picture. */
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { FormatReader } from '../../inspect/format-reader.js';
import { LiveFile } from '../../inspect/live-file.js';
import { serve } from '../../inspect/server.js';
import { svgMap } from '../../inspect/svg.js';
import type { Command } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { bytes, counted } from '../figures.js';

export interface InspectArguments {
  port?: number | undefined;
  svg?: string | undefined;
}

export async function inspect(path: string, { port = 0, svg }: InspectArguments, command: Command): Promise<number> {
  return svg === undefined ? servePage(path, port, command) : drawPicture(path, svg, command);
}

async function drawPicture(path: string, target: string, { output, signal }: Command): Promise<number> {
  const reader = await FormatReader.open(path);
  try {
    const scan = await output.progress('reading', (onProgress) =>
      reader.scan((done, total) => {
        signal.throwIfAborted();
        onProgress({ phase: 'segments', done, total });
      }),
    );
    await writeFile(target, svgMap(basename(path), scan));
    output.report({ path, svg: target, segments: scan.segments.length, fileSize: scan.head.fileSize }, () => [
      `${counted(scan.segments.length, 'segment')} of ${path} (${bytes(scan.head.fileSize)}) drawn to ${target}`,
    ]);
    return ExitCode.OK;
  } finally {
    await reader.close();
  }
}

/** Serves the page until it is interrupted; that is how it is meant to end. */
async function servePage(path: string, port: number, { output, signal }: Command): Promise<number> {
  await (await FormatReader.open(path)).close(); // a path that leads nowhere is told here, and not in the browser
  const file = new LiveFile(path);
  const server = await serve(file, port);
  output.report({ path, url: server.url }, () => [`${path} is at ${server.url}`]);
  output.note('Ctrl-C ends it');
  try {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    await server.close();
    await file.close();
  }
  return ExitCode.OK;
}
