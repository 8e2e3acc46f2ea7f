// What can be asserted of a board as it is drawn: errors, texts, what is cut off or out of sight, links as resolved.
import { FieldType, formattedValueToString, getFieldDisplayName, getFieldSeriesColor, type DataFrame } from '@grafana/data';
import { config } from '@grafana/runtime';
import { sceneGraph, VizPanel, type EmbeddedScene } from '@grafana/scenes';

export function measure(scene: EmbeddedScene) {
  const panels = sceneGraph.findAllObjects(scene, (one) => one instanceof VizPanel) as VizPanel[];
  return panels.map((panel) => {
    const data = sceneGraph.getData(panel).state.data;
    const frames: DataFrame[] = (panel as any)._dataWithFieldConfig?.series ?? data?.series ?? [];
    const box = document.querySelector<HTMLElement>(`[data-viz-panel-key="${panel.state.key}"]`);
    return {
      title: sceneGraph.interpolate(panel, panel.state.title),
      kind: panel.state.pluginId,
      done: data?.state === 'Done' || data?.state === 'Error',
      error: data?.error?.message ?? data?.errors?.[0]?.message ?? null,
      rows: frames.reduce((sum, { length }) => sum + length, 0),
      text: box?.innerText ?? '',
      empty: Boolean(box?.querySelector('[data-nodata]')),
      series: panel.state.pluginId === 'table' ? [] : frames.flatMap((frame) => seriesOf(frame, frames)),
      cells: panel.state.pluginId === 'table' ? frames.flatMap(cellsOf) : [],
      links: frames.flatMap(linksOf),
      ...(box ? sizes(box) : {}),
    };
  });
}

/** Name, colour and values of each series, with its times, and how its bars stand and its line meets gaps. */
function seriesOf(frame: DataFrame, frames: DataFrame[]) {
  const time = frame.fields.find(({ type }) => type === FieldType.time);
  return frame.fields
    .filter((field) => field !== time && field.type === FieldType.number)
    .map((field) => ({
      name: getFieldDisplayName(field, frame, frames),
      color: getFieldSeriesColor(field, config.theme2).color,
      times: time ? [...time.values] : [],
      values: [...field.values],
      alignment: field.config.custom?.drawStyle === 'bars' ? field.config.custom.barAlignment : null,
      spans: field.config.custom?.drawStyle === 'line' && Boolean(field.config.custom.spanNulls),
    }));
}

/** Rows of a table, each with what its columns show. */
function cellsOf(frame: DataFrame) {
  return Array.from({ length: frame.length }, (_, row) =>
    Object.fromEntries(frame.fields.map((field) => [field.name, field.display ? formattedValueToString(field.display(field.values[row])) : field.values[row]]))
  );
}

function linksOf(frame: DataFrame) {
  return Array.from({ length: Math.min(frame.length, 3) }, (_, row) =>
    frame.fields.flatMap((field) =>
      (field.getLinks?.({ valueRowIndex: row }) ?? []).map(({ title, href }) => ({
        title,
        href,
        row: Object.fromEntries(frame.fields.map((one) => [one.name, String(one.values[row])])),
      }))
    )
  ).flat();
}

/** What of a panel is cut off or out of sight: its title, its legend, the cells of its table. */
function sizes(box: HTMLElement) {
  const table = box.querySelector<HTMLElement>('[role=grid]');
  const cells = [...box.querySelectorAll<HTMLElement>('[role=gridcell], [role=columnheader]')];
  const texts = [...box.querySelectorAll<HTMLElement>('h2, h2 *, [class*=LegendLabel]'), ...cells];
  const legend = box.querySelector<HTMLElement>('[class*=legend-wrapper], [data-testid*=legend]');
  return {
    cut: texts.filter(isCut).map((one) => one.innerText.trim() || one.outerHTML),
    right: table ? table.scrollWidth - table.clientWidth : 0,
    below: table ? table.scrollHeight - table.clientHeight : 0,
    legend_below: legend ? Math.max(0, ...ancestors(legend, box).map((one) => one.scrollHeight - one.clientHeight)) : 0,
  };
}

function ancestors(element: HTMLElement, top: HTMLElement): HTMLElement[] {
  return element === top ? [] : [element, ...ancestors(element.parentElement!, top)];
}

/** Whether one of the texts inside is wider than the element that shows it. */
function isCut(element: HTMLElement): boolean {
  const { paddingLeft, paddingRight } = getComputedStyle(element);
  const inner = element.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    if (!text.textContent?.trim()) {
      continue; // an empty cell has nothing but its buttons
    }
    const range = document.createRange();
    range.selectNodeContents(text);
    const parent = text.parentElement!;
    if (range.getBoundingClientRect().width > inner + 1 || (parent.clientWidth && parent.scrollWidth > parent.clientWidth + 1)) {
      return true;
    }
  }
  return false;
}
