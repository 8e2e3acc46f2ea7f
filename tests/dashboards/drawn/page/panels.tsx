// The kinds of panel that boards use, of the components of @grafana/ui: the panels themselves are not published.
import {
  cacheFieldDisplayNames, dateTimeFormat, FieldConfigProperty, FieldType, formattedValueToString, getDisplayProcessor,
  getDisplayValueAlignmentFactors, getFieldDisplayName, getFieldDisplayValues, identityOverrideProcessor, PanelPlugin,
  type FieldDisplay, type PanelProps,
} from '@grafana/data';
import { config } from '@grafana/runtime';
import { sceneUtils } from '@grafana/scenes';
import { BarGauge, BigValue, DataLinksContextMenu, TimeSeries, VizLegend, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { useLayoutEffect, useMemo } from 'react';

type Props = PanelProps<any>;

function NoData({ data, fieldConfig }: Pick<Props, 'data' | 'fieldConfig'>) {
  return (
    <div data-nodata style={{ display: 'grid', height: '100%', placeItems: 'center' }}>
      {data.error?.message ?? fieldConfig.defaults.noValue ?? 'No data'}
    </div>
  );
}

function displayValues({ data, fieldConfig, options, replaceVariables, timeZone }: Props) {
  const { reduceOptions } = options;
  return getFieldDisplayValues({ data: data.series, fieldConfig, reduceOptions, replaceVariables, timeZone, theme: config.theme2 });
}

function Stat(props: Props) {
  const { data, options, width, height, renderCounter } = props;
  return (
    <VizRepeater<FieldDisplay, any>
      getValues={() => displayValues(props)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, count, alignmentFactors }) => {
        const big = (onClick?: any) => (
          <BigValue
            {...{ count, alignmentFactors, width, height, onClick }}
            value={value.display}
            theme={config.theme2}
            colorMode={options.colorMode}
            graphMode={options.graphMode}
            justifyMode={options.justifyMode}
            textMode={options.textMode}
            disableWideLayout={!options.wideLayout}
          />
        );
        return value.hasLinks && value.getLinks ? (
          <DataLinksContextMenu links={value.getLinks as never}>{(menu) => big(menu.openMenu)}</DataLinksContextMenu>
        ) : big();
      }}
      source={data}
      itemSpacing={3}
      autoGrid
      {...{ width, height, renderCounter, orientation: options.orientation }}
    />
  );
}

function Bars(props: Props) {
  const { data, options, width, height, renderCounter } = props;
  const theme = config.theme2;
  return (
    <VizRepeater<FieldDisplay, any>
      getValues={() => displayValues(props)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, orientation, alignmentFactors }) => (
        <BarGauge
          {...{ width, height, orientation, alignmentFactors, theme }}
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0) ?? getDisplayProcessor({ theme })}
          itemSpacing={10}
          displayMode={options.displayMode}
          showUnfilled={options.showUnfilled}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
        />
      )}
      source={data}
      itemSpacing={10}
      minVizWidth={options.minVizWidth}
      minVizHeight={options.minVizHeight}
      maxVizHeight={options.maxVizHeight}
      {...{ width, height, renderCounter, orientation: options.orientation }}
    />
  );
}

function Graph({ data, options, fieldConfig, width, height, timeRange, timeZone }: Props) {
  const frames = useMemo(() => {
    cacheFieldDisplayNames(data.series); // as Grafana's own panel does; colours go by these names
    return data.series.filter(({ fields, length }) => length > 0 && fields.some(({ type }) => type === FieldType.number)).map(finite);
  }, [data.series]);
  if (!frames.length) {
    return <NoData {...{ data, fieldConfig }} />;
  }
  return (
    <TimeSeries structureRev={data.structureRev} legend={options.legend} {...{ frames, options, width, height, timeRange, timeZone }}>
      {(builder) => <Annotations builder={builder} frames={data.annotations ?? []} />}
    </TimeSeries>
  );
}

/** What is no number is a gap. */
function finite(frame: any) {
  const clean = (field: any) => ({ ...field, values: field.values.map((one: number) => (Number.isFinite(one) ? one : null)) });
  return { ...frame, fields: frame.fields.map((field: any) => (field.type === FieldType.number ? clean(field) : field)) };
}

function Annotations({ builder, frames }: { builder: any; frames: any[] }) {
  useLayoutEffect(() => {
    builder.addHook('draw', ({ ctx, bbox, valToPos }: any) => {
      const field = (frame: any, name: string) => frame.fields.find((one: any) => one.name === name)?.values ?? [];
      for (const frame of frames) {
        field(frame, 'time').forEach((at: number, place: number) => {
          const x = valToPos(at, 'x', true);
          if (x >= bbox.left && x <= bbox.left + bbox.width) {
            ctx.save();
            ctx.strokeStyle = config.theme2.visualization.getColorByName(field(frame, 'color')[place] ?? 'purple');
            ctx.setLineDash([5, 5]);
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
            ctx.restore();
          }
        });
      }
    });
  }, [builder, frames]);
  return null;
}

function Table({ data, options, fieldConfig, width, height, timeRange }: Props) {
  const [frame] = data.series;
  if (!frame?.fields.length || !frame.length) {
    return <NoData {...{ data, fieldConfig }} />;
  }
  cacheFieldDisplayNames(data.series);
  return (
    <TableNG
      data={frame}
      noHeader={!options.showHeader}
      resizable
      sortBy={options.sortBy}
      cellHeight={options.cellHeight}
      noValue={fieldConfig.defaults.noValue}
      structureRev={data.structureRev}
      enableVirtualization={false}
      {...{ width, height, fieldConfig, timeRange }}
    />
  );
}

const LABEL_WIDTH = 160;

/** States as bars: the library that Grafana draws them with is not published, so this shows words, colours and widths. */
function Timeline({ data, options, fieldConfig, width, height, timeRange, timeZone }: Props) {
  const [frame] = data.series;
  const time = frame?.fields.find(({ type }) => type === FieldType.time);
  const lanes = time ? frame.fields.filter((field) => field !== time) : [];
  if (!lanes.length) {
    return <NoData {...{ data, fieldConfig }} />;
  }
  const [from, to] = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  const inner = width - LABEL_WIDTH - 10;
  const lane = (height - 48) / lanes.length;
  const x = (at: number) => LABEL_WIDTH + (inner * (Math.min(to, Math.max(from, at)) - from)) / (to - from);
  const states = new Map<string, string>();
  const segments = lanes.map((field) => {
    const found: any[] = [];
    time!.values.forEach((at: number, place: number) => {
      const value = field.values[place];
      if (value === null || value === undefined || (options.mergeValues && found.at(-1)?.value === value)) {
        return; // the state lasts
      }
      const shown = field.display!(value);
      const text = formattedValueToString(shown);
      states.set(text, shown.color!);
      if (found.length) {
        found.at(-1).end = at;
      }
      found.push({ start: at, end: to, value, text, color: shown.color });
    });
    return { name: getFieldDisplayName(field, frame, data.series), found };
  });
  const theme = config.theme2;
  const text = { fill: theme.colors.text.primary, dominantBaseline: 'middle' as const };
  return (
    <div>
      <svg width={width} height={height - 28} fontFamily={theme.typography.fontFamily} fontSize={12}>
        {segments.map(({ name, found }, row) => (
          <g key={name} data-lane={name}>
            <text x={LABEL_WIDTH - 8} y={lane * (row + 0.5)} textAnchor="end" {...text}>{name}</text>
            {found.map(({ start, end, color, text: word }) => (
              <g key={start}>
                <rect x={x(start)} width={Math.max(1, x(end) - x(start))} y={lane * (row + 0.08)} height={lane * options.rowHeight} fill={color} fillOpacity={0.75} />
                {lane > 14 && x(end) - x(start) > word.length * 7 && <text x={x(start) + 4} y={lane * (row + 0.5)} dominantBaseline="middle" fill={theme.colors.getContrastText(color, 3)}>{word}</text>}
              </g>
            ))}
          </g>
        ))}
        {[0.1, 0.3, 0.5, 0.7, 0.9].map((part) => (
          <text key={part} x={x(from + part * (to - from))} y={height - 38} textAnchor="middle" {...text}>
            {dateTimeFormat(from + part * (to - from), { format: 'MM/DD HH:mm', timeZone })}
          </text>
        ))}
      </svg>
      <VizLegend placement="bottom" displayMode={options.legend.displayMode} items={[...states].map(([label, color]) => ({ label, color, yAxis: 1 }))} />
    </div>
  );
}

const shown = { tooltip: false, viz: false, legend: false };
const GRAPH = {
  drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none', showPoints: 'auto', pointSize: 5,
  barAlignment: 0, barWidthFactor: 0.6, lineStyle: { fill: 'solid' }, spanNulls: false, insertNulls: false, stacking: { mode: 'none', group: 'A' },
  axisPlacement: 'auto', axisLabel: '', axisColorMode: 'text', axisBorderShow: false, axisCenteredZero: false, axisSoftMin: undefined,
  axisSoftMax: undefined, axisWidth: undefined, axisGridShow: undefined, scaleDistribution: { type: 'linear' }, thresholdsStyle: { mode: 'off' },
  fillBelowTo: undefined, transform: undefined, hideFrom: shown,
};
const TABLE = {
  align: 'auto', cellOptions: { type: 'auto' }, filterable: false, inspect: false, minWidth: undefined, width: undefined,
  wrapText: undefined, wrapHeaderText: undefined, 'hideFrom.viz': undefined, 'footer.reducers': [],
};
const TIMELINE = { lineWidth: 0, fillOpacity: 70, spanNulls: false, insertNulls: false, hideFrom: shown };

/** Options of fields that a kind of panel adds: what is not registered is dropped, as Grafana drops it. */
function custom(defaults: Record<string, unknown>) {
  return (builder: any) => {
    for (const [path, defaultValue] of Object.entries(defaults)) {
      const nothing = () => null;
      builder.addCustomEditor({
        id: path, path, name: path, category: ['Panel'], editor: nothing, override: nothing, process: identityOverrideProcessor, shouldApply: () => true, defaultValue,
      });
    }
  };
}

/** Since Grafana 12.2 a hidden column has another option; its table panel renames the old one when a board is opened. */
function renameHidden(panel: any) {
  for (const { properties } of panel.fieldConfig.overrides) {
    for (const property of properties.filter(({ id }: any) => id === 'custom.hidden')) {
      property.id = 'custom.hideFrom.viz';
    }
  }
  return panel.options;
}

export function registerPanels() {
  const standardOptions = { [FieldConfigProperty.Color]: { defaultValue: { mode: 'palette-classic' } } } as never;
  const plugins: Record<string, PanelPlugin<any, any>> = {
    stat: new PanelPlugin(Stat).useFieldConfig(),
    bargauge: new PanelPlugin(Bars).useFieldConfig(),
    table: new PanelPlugin(Table).setMigrationHandler(renameHidden).useFieldConfig({ useCustomConfig: custom(TABLE) }),
    timeseries: new PanelPlugin(Graph).useFieldConfig({ standardOptions, useCustomConfig: custom(GRAPH) }).setDataSupport({ annotations: true }),
    'state-timeline': new PanelPlugin(Timeline).useFieldConfig({ useCustomConfig: custom(TIMELINE) }),
  };
  for (const [pluginId, plugin] of Object.entries(plugins)) {
    sceneUtils.registerRuntimePanelPlugin({ pluginId, plugin });
  }
}
