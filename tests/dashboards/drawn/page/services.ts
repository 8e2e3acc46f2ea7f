// What Grafana's application hands to its packages when it starts, as far as a board needs it.
import * as data from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import * as runtime from '@grafana/runtime';
import { sceneGraph } from '@grafana/scenes';
import { catchError, from, isObservable, map, of } from 'rxjs';

import { PrometheusSource, SqlSource } from './sources';

const SOURCES = [
  describe('drawn-postgres', 'HPKP store', 'grafana-postgresql-datasource'),
  describe('drawn-sqlite', 'HPKP store (SQLite)', 'frser-sqlite-datasource'),
  describe('drawn-prometheus', 'HPKP metrics', 'prometheus'),
];
const made = new Map(SOURCES.map((one) => [one.uid, one.type === 'prometheus' ? new PrometheusSource(one) : new SqlSource(one)]));
const nothing = () => null;

function describe(uid: string, name: string, type: string): data.DataSourceInstanceSettings {
  const info = { author: { name: '' }, description: '', links: [], logos: { large: '', small: '' }, screenshots: [], updated: '', version: '' };
  const meta = { id: type, name: type, type: data.PluginType.datasource, info, module: '', baseUrl: '', metrics: true, annotations: true };
  return { id: 1, uid, name, type, meta, readOnly: true, access: 'proxy', jsonData: {} } as never;
}

/** A reference may name its source by a variable, which the asking object knows. */
function find(ref: any, vars: any): data.DataSourceInstanceSettings {
  const asker = vars?.__sceneObject?.value?.valueOf();
  const named = ref?.uid ?? ref;
  const uid = asker && typeof named === 'string' ? sceneGraph.interpolate(asker, named) : named;
  const found = SOURCES.find((one) => one.uid === uid || one.name === uid);
  if (!found) {
    throw new Error(`Datasource ${uid} was not found`);
  }
  return found;
}

/** The options of every field, in the processing that @grafana/data gives them. */
function standardOptions() {
  const base: data.ThresholdsConfig = { mode: data.ThresholdsMode.Absolute, steps: [{ value: -Infinity, color: 'green' }] };
  const processed: Array<[string, unknown, unknown?]> = [
    ['displayName', data.displayNameOverrideProcessor],
    ['unit', data.unitOverrideProcessor],
    ['min', data.numberOverrideProcessor],
    ['max', data.numberOverrideProcessor],
    ['decimals', data.numberOverrideProcessor],
    ['fieldMinMax', data.booleanOverrideProcessor],
    ['filterable', data.booleanOverrideProcessor],
    ['color', data.identityOverrideProcessor],
    ['noValue', data.stringOverrideProcessor],
    ['links', data.dataLinksOverrideProcessor],
    ['mappings', data.valueMappingsOverrideProcessor, []],
    ['thresholds', data.thresholdsOverrideProcessor, base],
  ];
  return processed.map(([id, process, defaultValue]) =>
    ({ id, path: id, name: id, editor: nothing, override: nothing, process, defaultValue, shouldApply: () => true }) as never
  );
}

function runRequest(source: any, request: any, other?: any) {
  const answered = (other ?? source.query.bind(source))(request);
  const panelData = (series: any[], state: data.LoadingState, error?: Error): data.PanelData => ({
    series,
    annotations: [],
    state,
    timeRange: request.range,
    request,
    error: error && { message: error.message },
    errors: error && [{ message: error.message }],
  });
  return (isObservable(answered) ? answered : from(answered as Promise<any>)).pipe(
    map((answer: any) => panelData(answer.data, data.LoadingState.Done)),
    catchError((error: Error) => of(panelData([], data.LoadingState.Error, error)))
  );
}

export async function start(theme: 'dark' | 'light') {
  await initPluginTranslations('grafana');
  runtime.config.theme2 = data.createTheme({ colors: { mode: theme } });
  data.standardFieldConfigEditorRegistry.setInit(standardOptions);
  data.standardEditorsRegistry.setInit(() => []);
  data.standardTransformersRegistry.setInit(() => []);
  data.locationUtil.initialize({ config: runtime.config as never, getTimeRangeForUrl: nothing as never, getVariablesUrlParams: nothing as never });
  runtime.setDataSourceSrv({
    get: async (ref: unknown, vars: any) => made.get(find(ref, vars).uid)!,
    getInstanceSettings: find,
    getList: (wanted: any) => SOURCES.filter(({ type }) => !wanted?.pluginId || type === wanted.pluginId),
    reload: nothing,
    registerRuntimeDataSource: nothing,
  } as never);
  runtime.setRunRequest(runRequest as never);
  runtime.setPluginImportUtils({ importPanelPlugin: async () => undefined, getPanelPluginFromCache: () => undefined } as never);
  runtime.setTemplateSrv({
    getVariables: () => [], replace: (text: string) => text ?? '', containsTemplate: () => false, updateTimeRange: nothing, getAdhocFilters: () => [],
  } as never);
  runtime.setAppEvents(new data.EventBusSrv() as never);
}
