// Data sources that do what Grafana's do in the browser; what their backends do is done by ../answers.py.
import {
  createDataFrame, DataSourceApi, FieldType,
  type DataFrame, type DataQueryRequest, type DataQueryResponse, type DataSourceInstanceSettings, type MetricFindValue,
} from '@grafana/data';
import { sceneGraph, type SceneObject } from '@grafana/scenes';
import { from, type Observable } from 'rxjs';

interface Answer {
  columns: Array<{ name: string; type: FieldType }>;
  rows: unknown[][];
}

const SCRAPE_SECONDS = 15;

async function post(path: string, body: unknown): Promise<any> {
  const answer = await fetch(path, { method: 'POST', body: JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) {
    throw new Error(told.error);
  }
  return told;
}

function interpolate(text: string, vars: any, format?: unknown): string {
  return sceneGraph.interpolate(vars.__sceneObject.value.valueOf() as SceneObject, text, vars, format as never);
}

abstract class Source extends DataSourceApi<any> {
  protected abstract frames(target: any, request: DataQueryRequest<any>): Promise<DataFrame[]>;

  query(request: DataQueryRequest<any>): Observable<DataQueryResponse> {
    const asked = Promise.all(request.targets.map((target) => this.frames(target, request)));
    return from(asked.then((frames) => ({ data: frames.flat() })));
  }

  async testDatasource() {
    return { status: 'success', message: '' };
  }
}

/** PostgreSQL, or SQLite by frser-sqlite-datasource, which quotes no variable by itself. */
export class SqlSource extends Source {
  annotations = {};

  private ask(sql: string, vars: any, range: any, timeColumns: string[]): Promise<Answer> {
    const text = interpolate(sql, vars, this.isSqlite ? undefined : quotedForPostgres);
    return post('/ask', { source: this.uid, sql: text, from: range.from.valueOf(), to: range.to.valueOf(), timeColumns });
  }

  private get isSqlite() {
    return this.type === 'frser-sqlite-datasource';
  }

  protected async frames(target: any, { scopedVars, range }: DataQueryRequest<any>) {
    const answer = await this.ask(target.rawSql ?? target.queryText, scopedVars, range, target.timeColumns ?? []);
    const overTime = ['time_series', 'time series'].includes(target.format ?? target.queryType);
    return [overTime ? wideFrame(target.refId, answer, !this.isSqlite) : tableFrame(target.refId, answer)];
  }

  async metricFindQuery(query: string, { scopedVars, range }: any): Promise<MetricFindValue[]> {
    const { columns, rows } = await this.ask(query, scopedVars, range, []);
    const text = columns.findIndex(({ name }) => name === '__text');
    const value = columns.findIndex(({ name }) => name === '__value');
    return text < 0 || value < 0
      ? rows.flat().map((one) => ({ text: String(one) }))
      : rows.map((row) => ({ text: String(row[text]), value: String(row[value]) }));
  }
}

function quotedForPostgres(value: unknown, variable: { multi?: boolean; includeAll?: boolean }): string {
  const escaped = (one: unknown) => String(one).replaceAll("'", "''");
  if (Array.isArray(value)) {
    return value.map((one) => `'${escaped(one)}'`).join(',');
  }
  return variable.multi || variable.includeAll ? `'${escaped(value)}'` : escaped(value);
}

function tableFrame(refId: string, { columns, rows }: Answer): DataFrame {
  const fields = columns.map(({ name, type }, place) => ({ name, type, config: {}, values: rows.map((row) => row[place]) }));
  return createDataFrame({ refId, fields });
}

/** One column of times, and one of values for each series, as the backends make it of a long table. */
function wideFrame(refId: string, { columns, rows }: Answer, named: boolean): DataFrame {
  const [time, metric, value] = ['time', 'metric', 'Value'].map((name) => columns.findIndex((one) => one.name === name));
  if (time < 0 || (rows.length && columns[time].type !== FieldType.time)) {
    throw new Error('db has no time column: no time column found');
  }
  const times = [...new Set(rows.map((row) => row[time] as number))];
  if (times.some((at, place) => place > 0 && at < times[place - 1])) {
    throw new Error('failed to convert long to wide series: times are not ascending');
  }
  const places = new Map(times.map((at, place) => [at, place]));
  const series = new Map<string, unknown[]>();
  for (const row of rows) {
    const name = String(row[metric]);
    if (!series.has(name)) {
      series.set(name, new Array(times.length).fill(null));
    }
    series.get(name)![places.get(row[time] as number)!] = row[value];
  }
  const fields = [...series].map(([name, values]) => ({
    name: named ? name : 'Value',
    labels: named ? undefined : { metric: name },
    type: FieldType.number,
    config: {},
    values,
  }));
  return createDataFrame({ refId, fields: [{ name: 'time', type: FieldType.time, config: {}, values: times }, ...fields] });
}

export class PrometheusSource extends Source {
  protected async frames(target: any, request: DataQueryRequest<any>) {
    const step = Math.max(SCRAPE_SECONDS, Math.ceil(request.intervalMs / 1000));
    const seconds = Math.round(request.range.to.diff(request.range.from) / 1000);
    const text = target.expr
      .replaceAll('$__rate_interval', `${Math.max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)}s`)
      .replaceAll('$__interval', `${step}s`)
      .replaceAll('$__range', `${seconds}s`);
    const query = interpolate(text, request.scopedVars, matchedByPrometheus);
    const [start, end] = [request.range.from.valueOf() / 1000, request.range.to.valueOf() / 1000];
    const path = target.instant
      ? `query?${new URLSearchParams({ query, time: `${end}` })}`
      : `query_range?${new URLSearchParams({ query, start: `${start}`, end: `${end}`, step: `${step}` })}`;
    const answer = await post('/prometheus', { path: `/api/v1/${path}` });
    return answer.data.result.map(({ metric, values, value }: any) => {
      const points: Array<[number, string]> = values ?? [value];
      const { __name__, ...labels } = metric;
      const named = target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (all: string, name: string) => labels[name] ?? all);
      const config = { displayNameFromDS: target.legendFormat === '__auto' ? undefined : named };
      return createDataFrame({
        refId: target.refId,
        fields: [
          { name: 'Time', type: FieldType.time, config: { interval: step * 1000 }, values: points.map(([at]) => at * 1000) },
          { name: 'Value', type: FieldType.number, labels, config, values: points.map(([, one]) => Number(one)) },
        ],
      });
    });
  }

  async metricFindQuery(query: any, { scopedVars }: any): Promise<MetricFindValue[]> {
    const text = interpolate(query.query ?? query, scopedVars, matchedByPrometheus);
    const [, selector, label] = /^label_values\((.+),\s*(\w+)\)$/.exec(text)!;
    const answer = await post('/prometheus', { path: `/api/v1/label/${label}/values?${new URLSearchParams({ 'match[]': selector })}` });
    return answer.data.map((one: string) => ({ text: one }));
  }
}

function matchedByPrometheus(value: unknown): string {
  const escaped = (one: unknown) => String(one).replace(/[\\^$*+?.()|[\]{}]/g, '\\\\$&');
  return Array.isArray(value) ? `(${value.map(escaped).join('|')})` : escaped(value);
}
