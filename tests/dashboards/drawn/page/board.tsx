// From the JSON of a board to the scene that Grafana makes of it.
import * as scenes from '@grafana/scenes';
import { LinkButton } from '@grafana/ui';

export function sceneOf(board: any, range: { from: string; to: string }) {
  return new scenes.EmbeddedScene({
    $timeRange: new scenes.SceneTimeRange({ ...range, timeZone: board.timezone, weekStart: board.weekStart }),
    $variables: new scenes.SceneVariableSet({ variables: board.templating.list.map(variableOf) }),
    $data: new scenes.SceneDataLayerSet({ layers: board.annotations.list.map(annotationsOf) }),
    $behaviors: [new scenes.behaviors.CursorSync({ key: 'sync', sync: board.graphTooltip })],
    controls: [
      new scenes.VariableValueSelectors({}),
      new scenes.SceneDataLayerControls(),
      new BoardLinks({ links: board.links }),
      new scenes.SceneTimePicker({ isOnCanvas: true }),
    ],
    body: new scenes.SceneGridLayout({ children: rowsOf(board.panels), isLazy: false }),
  });
}

function rowsOf(panels: any[]) {
  const rows: scenes.SceneGridRow[] = [];
  for (const panel of panels) {
    if (panel.type === 'row') {
      rows.push(new scenes.SceneGridRow({ key: `row-${panel.id}`, title: panel.title, isCollapsible: true, isCollapsed: false, y: panel.gridPos.y, children: [] }));
    } else {
      const row = rows.at(-1)!;
      row.setState({ children: [...row.state.children, itemOf(panel)] });
    }
  }
  return rows;
}

function itemOf(panel: any) {
  const { x, y, w: width, h: height } = panel.gridPos;
  const queries = new scenes.SceneQueryRunner({
    datasource: panel.datasource,
    queries: panel.targets,
    minInterval: panel.interval,
    dataLayerFilter: { panelId: panel.id },
  });
  const { title, description, options, fieldConfig, type: pluginId } = panel;
  const body = new scenes.VizPanel({ key: `panel-${panel.id}`, title, description, pluginId, options, fieldConfig, $data: queries });
  return new scenes.SceneGridItem({ x, y, width, height, body });
}

function variableOf(one: any): scenes.SceneVariable {
  const { name, label, description, hide, skipUrlSync, refresh, regex, sort, query, allValue, includeAll, multi: isMulti } = one;
  const common = { name, label, description, hide, skipUrlSync, value: one.current?.value ?? '', text: one.current?.text ?? '' };
  switch (one.type) {
    case 'datasource':
      return new scenes.DataSourceVariable({ ...common, pluginId: query, regex, isMulti, includeAll });
    case 'query':
      return new scenes.QueryVariable({
        ...common, query, datasource: one.datasource, refresh, regex, sort, isMulti, includeAll, allValue, defaultToAll: Boolean(includeAll),
      });
    default:
      throw new Error(`a kind of variable that is not drawn: ${one.type}`);
  }
}

function annotationsOf(one: any) {
  return new scenes.dataLayers.AnnotationsDataLayer({ key: one.name, name: one.name, query: one, isEnabled: one.enable, isHidden: one.hide });
}

/** Links at the top, with the parameters that Grafana adds to them. */
class BoardLinks extends scenes.SceneObjectBase<scenes.SceneObjectState & { links: any[] }> {
  protected _variableDependency = new scenes.VariableDependencyConfig(this, { onAnyVariableChanged: () => this.forceRender() });

  static Component = ({ model }: scenes.SceneComponentProps<BoardLinks>) => {
    const { links } = model.useState();
    scenes.sceneGraph.getTimeRange(model).useState();
    return links.map((link: any) => (
      <LinkButton key={link.title} variant="secondary" size="sm" fill="outline" data-board-link href={model.urlOf(link)}>
        {link.title}
      </LinkButton>
    ));
  };

  urlOf({ url, keepTime, includeVars }: any): string {
    const added = [keepTime && '${__url_time_range}', includeVars && '${__all_variables}'].filter(Boolean).join('&');
    return scenes.sceneGraph.interpolate(this, added ? `${url}${url.includes('?') ? '&' : '?'}${added}` : url, {});
  }
}
