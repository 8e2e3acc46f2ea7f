// Bundles the page, beside which node_modules stands: node build.mjs
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname;
const stub = join(here, 'stub.ts');

/** @grafana/scenes is written for react-router 6 and @grafana/ui for 5: give scenes the bridge between the two. */
const joinRouters = {
  name: 'join-routers',
  setup(bundler) {
    bundler.onResolve({ filter: /^react-router-dom$/ }, ({ importer, kind, resolveDir }) =>
      importer.includes('/@grafana/scenes/') ? bundler.resolve('react-router-dom-v5-compat', { kind, resolveDir }) : undefined
    );
  },
};

mkdirSync(join(here, 'dist'), { recursive: true });
await build({
  entryPoints: [join(here, 'main.tsx')],
  outfile: join(here, 'dist', 'page.js'),
  bundle: true,
  format: 'iife',
  platform: 'browser',
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  loader: { '.svg': 'dataurl', '.png': 'dataurl', '.ttf': 'dataurl', '.woff2': 'dataurl' },
  alias: {
    'monaco-editor': stub, // the query editor, which no board opens
    '@monaco-editor/react': stub,
    '@grafana/plugin-compat/datasources': join(here, 'compat.ts'),
  },
  plugins: [joinRouters],
  logLevel: 'warning',
});
copyFileSync(join(here, 'index.html'), join(here, 'dist', 'index.html'));
