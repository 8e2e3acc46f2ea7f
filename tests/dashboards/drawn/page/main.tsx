// Draws the board that the address names: ?engine=postgres&board=host&theme=light&from=now-7d&to=now&var-host=...
import { ThemeContext } from '@grafana/data';
import { config, locationService, LocationServiceProvider } from '@grafana/runtime';
import { sceneGraph, UrlSyncContextProvider } from '@grafana/scenes';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { Router } from 'react-router-dom';
import { CompatRouter } from 'react-router-dom-v5-compat';

import { sceneOf } from './board';
import { measure } from './measure';
import { registerPanels } from './panels';
import { start } from './services';

/** Addresses have instants in milliseconds, scenes as texts. */
const inWords = (at: string) => (/^\d+$/.test(at) ? new Date(Number(at)).toISOString() : at);

async function main() {
  const asked = new URLSearchParams(location.search);
  await start(asked.get('theme') === 'light' ? 'light' : 'dark');
  registerPanels();
  const board = await (await fetch(`/boards/${asked.get('engine')}/${asked.get('board')}`)).json();
  const moment = (name: 'from' | 'to') => inWords(asked.get(name) ?? board.time[name]);
  const scene = sceneOf(board, { from: moment('from'), to: moment('to') });
  const title = () => sceneGraph.interpolate(scene, board.title);
  Object.assign(window, { drawn: () => measure(scene) });
  createRoot(document.getElementById('root')!).render(
    <LocationServiceProvider service={locationService}>
      <Router history={locationService.getHistory() as never}>
        <CompatRouter>
          <ThemeContext.Provider value={config.theme2}>
            <GlobalStyles />
            <div style={{ background: config.theme2.colors.background.canvas, padding: 16, minHeight: '100vh' }}>
              <h1 style={{ fontSize: 18, margin: '0 0 8px' }}>{title()}</h1>
              <UrlSyncContextProvider scene={scene}>
                <scene.Component model={scene} />
              </UrlSyncContextProvider>
            </div>
            <PortalContainer />
          </ThemeContext.Provider>
        </CompatRouter>
      </Router>
    </LocationServiceProvider>
  );
}

main().catch((error) => Object.assign(window, { failed: String(error.stack ?? error) }));
