// What both dashboards are made of: questions to Prometheus, panels with one look, links, variables.

import { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';

/** The data source is a variable, so that the dashboards can be imported anywhere. */
export const SOURCE: common.DataSourceRef = { type: 'prometheus', uid: '${datasource}' };

/** What a reader may choose of a universe and its rules; of a process. */
export const RULES = 'universe=~"$universe", rule=~"$rule"';
export const UNIVERSE = 'universe=~"$universe"';
export const PROCESS = 'instance=~"$instance"';

/** A question, and what its answers are called. */
export interface Question {
  readonly expr: string;
  readonly legend?: string;
}

/** How often a counter counts in a second, by labels. */
export function rate(by: string, counter: string, where: string): string {
  return `sum by (${by}) (rate(${counter}{${where}}[$__rate_interval]))`;
}

/** How often a counter counts between two points of a panel, by labels. */
export function increase(by: string, counter: string, where: string): string {
  return `sum by (${by}) (increase(${counter}{${where}}[$__rate_interval]))`;
}

type Shape = 'range' | 'instant' | 'table';

function queries(questions: readonly Question[], shape: Shape): Builder<Dataquery>[] {
  return questions.map(({ expr, legend }, at) => {
    const query = new prometheus.DataqueryBuilder()
      .refId(String.fromCharCode('A'.charCodeAt(0) + at))
      .datasource(SOURCE)
      .expr(expr)
      .legendFormat(legend ?? '__auto');
    if (shape === 'range') {
      return query.range();
    }
    return shape === 'table' ? query.instant().format(prometheus.PromQueryFormat.Table) : query.instant();
  });
}

/** What every panel says of itself. */
export interface About {
  readonly title: string;
  readonly text: string;
  readonly width: number;
  readonly height: number;
  readonly ask: readonly Question[];
  readonly unit?: string;
  /** An entry of the runbook, by its anchor. */
  readonly runbook?: string;
}

interface AnyPanel extends Builder<dashboard.Panel> {
  title(title: string): this;
  description(text: string): this;
  datasource(source: common.DataSourceRef): this;
  span(width: number): this;
  height(height: number): this;
  targets(targets: Builder<Dataquery>[]): this;
  links(links: Builder<dashboard.DashboardLink>[]): this;
  unit(unit: string): this;
}

/** Gives a panel what all have. */
export function about<P extends AnyPanel>(panel: P, { ask, ...about }: About, shape: Shape): P {
  panel
    .title(about.title)
    .description(about.text)
    .datasource(SOURCE)
    .span(about.width)
    .height(about.height)
    .targets(queries(ask, shape));
  if (about.unit !== undefined) {
    panel.unit(about.unit);
  }
  if (about.runbook !== undefined) {
    panel.links([runbook(about.runbook)]);
  }
  return panel;
}

/** Lines over time. */
export function lines(what: About): timeseries.PanelBuilder {
  return about(new timeseries.PanelBuilder(), what, 'range')
    .lineWidth(1)
    .fillOpacity(0)
    .showPoints(common.VisibilityMode.Never)
    .tooltip(
      new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending),
    )
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true)
        .calcs([]),
    );
}

/** Values that stay as they are from one session to the next. */
export function steps(what: About): timeseries.PanelBuilder {
  return lines(what).lineInterpolation(common.LineInterpolation.StepAfter).lineWidth(2);
}

/** Amounts a moment, one on the other. */
export function bars(what: About): timeseries.PanelBuilder {
  return lines(what)
    .drawStyle(common.GraphDrawStyle.Bars)
    .fillOpacity(70)
    .stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
}

/** One figure, or a few. */
export function figure(what: About): stat.PanelBuilder {
  return about(new stat.PanelBuilder(), what, 'instant')
    .graphMode(common.BigValueGraphMode.None)
    .colorMode(common.BigValueColorMode.Value)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false).fields(''));
}

/** The answers themselves, one a row. */
export function rows(what: About): table.PanelBuilder {
  return about(new table.PanelBuilder(), what, 'table')
    .showHeader(true)
    .cellOptions({ type: common.TableCellDisplayMode.Auto });
}

/** States over time. */
export function states(what: About): statetimeline.PanelBuilder {
  return about(new statetimeline.PanelBuilder(), what, 'range')
    .mergeValues(true)
    .showValue(common.VisibilityMode.Auto)
    .fillOpacity(80)
    .lineWidth(0)
    .rowHeight(0.9)
    .legend(
      new common.VizLegendOptionsBuilder()
        .showLegend(false)
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .calcs([]),
    );
}

/** Colours from values on. */
export function thresholds(...from: readonly [number | null, string][]): dashboard.ThresholdsConfigBuilder {
  return new dashboard.ThresholdsConfigBuilder()
    .mode(dashboard.ThresholdsMode.Absolute)
    .steps(from.map(([value, color]) => ({ value, color })));
}

/** Names and colours of numbers. */
export function mapping(names: Readonly<Record<string, readonly [string, string]>>): dashboard.ValueMapping[] {
  const options: Record<string, dashboard.ValueMappingResult> = {};
  Object.entries(names).forEach(([value, [text, color]], index) => {
    options[value] = { text, color, index };
  });
  return [{ type: dashboard.MappingType.ValueToText, options }];
}

/** What a table does with its answers: one row for each set of labels, columns named and ordered. */
export function columns(
  names: Readonly<Record<string, string>>,
  hidden: readonly string[],
): dashboard.DataTransformerConfig[] {
  const excludeByName = Object.fromEntries(['Time', ...hidden].map((name) => [name, true]));
  const indexByName = Object.fromEntries(Object.keys(names).map((name, at) => [name, at]));
  return [
    { id: 'merge', options: {} },
    { id: 'organize', options: { excludeByName, indexByName, renameByName: names } },
  ];
}

function link(title: string, url: string, isElsewhere: boolean): dashboard.DashboardLinkBuilder {
  return new dashboard.DashboardLinkBuilder(title)
    .type(dashboard.DashboardLinkType.Link)
    .icon('external link')
    .tooltip('')
    .url(url)
    .tags([])
    .asDropdown(false)
    .targetBlank(isElsewhere)
    .includeVars(false)
    .keepTime(false);
}

/** A place in the runbook. */
export function runbook(anchor: string): dashboard.DashboardLinkBuilder {
  return link('Runbook', `\${runbook}#${anchor}`, true);
}

/** A view of the page that Rotation serves. */
export function page(title: string, view: string): dashboard.DashboardLinkBuilder {
  return link(title, `\${page}/#/${view}`, true);
}

/** The other dashboard, with the choices and the time of this one. */
export function other(title: string, uid: string): dashboard.DashboardLinkBuilder {
  return link(title, `/d/${uid}`, false).icon('dashboard').includeVars(true).keepTime(true);
}

/** Values of a label that may be chosen. */
export function choice(name: string, label: string, query: string): dashboard.QueryVariableBuilder {
  return new dashboard.QueryVariableBuilder(name)
    .label(label)
    .datasource(SOURCE)
    .query({ query, refId: name })
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: ['All'], value: ['$__all'] });
}

function place(name: string, label: string, value: string, text: string): dashboard.TextBoxVariableBuilder {
  return new dashboard.TextBoxVariableBuilder(name)
    .label(label)
    .description(text)
    .defaultValue(value)
    .current({ selected: true, text: value, value });
}

/** What both dashboards let a reader choose, besides what is each one's own. */
export function variables(...own: dashboard.QueryVariableBuilder[]): Builder<dashboard.VariableModel>[] {
  return [
    new dashboard.DatasourceVariableBuilder('datasource')
      .label('Data source')
      .type('prometheus')
      .current({ selected: true, text: 'Prometheus', value: 'rotation' }),
    choice('universe', 'Universe', 'label_values(rotation_rule_info, universe)'),
    choice('rule', 'Rule', `label_values(rotation_rule_info{${UNIVERSE}}, rule)`),
    ...own,
    place('page', 'Page', 'http://localhost:9464', 'Where a browser reaches the page of Rotation.'),
    place('runbook', 'Runbook', '/public/rotation/RUNBOOK.md', 'Where a browser reaches docs/RUNBOOK.md.'),
  ];
}

/** A row of the dashboard and its panels, from left to right. */
export interface Section {
  readonly title: string;
  readonly panels: readonly Builder<dashboard.Panel>[];
}

/**
 * Takes out what the SDK puts in by itself and the schema of the Grafana that is deployed does not have; `placement`
 * of links and annotations would hide them in a menu of newer ones.
 */
function trim<T>(value: T): T {
  if (Array.isArray(value)) {
    return value.map(trim) as T;
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  const unknown = ['auto', 'auto_min', 'auto_count', 'footer'];
  const kept = Object.entries(value).filter(([key, inner]) => !unknown.includes(key) && inner !== 'inControlsMenu');
  return Object.fromEntries(kept.map(([key, inner]) => [key, trim(inner)])) as T;
}

/** Numbers panels and lays them out. */
export function build(dashboard_: dashboard.DashboardBuilder, sections: readonly Section[]): dashboard.Dashboard {
  let id = 0;
  for (const { title, panels } of sections) {
    dashboard_.withRow(new dashboard.RowBuilder(title).collapsed(false).id((id += 1)));
    for (const panel of panels) {
      const numbered = { ...panel.build(), id: (id += 1) };
      dashboard_.withPanel({ build: () => numbered });
    }
  }
  return trim(dashboard_.build());
}
