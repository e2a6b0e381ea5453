// The types that Grafana publishes of its dashboards and panels, as a dashboard in JSON has to satisfy them.

import type {
  AnnotationQuery,
  Dashboard,
  DataQuery,
  DataSourceRef,
  FieldConfig,
  Panel,
  RowPanel,
  VariableModel,
} from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen.d.ts';
import type * as stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts';
import type * as statetimeline from '@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen.d.ts';
import type * as table from '@grafana/schema/dist/types/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts';
import type * as timeseries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts';
import type * as xychart from '@grafana/schema/dist/types/raw/composable/xychart/panelcfg/x/XYChartPanelCfg_types.gen.d.ts';

/** The same type for text: an enumeration of words takes its words. */
type Written<T> = 0 extends 1 & T
  ? T
  : T extends string
    ? `${T}`
    : T extends object
      ? { [K in keyof T]: Written<T[K]> }
      : T;

/** Of a query only what every data source has is published there; the rest is what Prometheus' is asked with here. */
type Query = Written<Omit<DataQuery, 'datasource'>> & {
  datasource: DataSourceRef;
  expr: string;
  legendFormat?: string;
  format?: 'time_series' | 'table';
  instant?: boolean;
  range?: boolean;
  interval?: string;
};

type PanelOf<Type extends string, Options, Custom> = Written<
  Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'datasource'>
> & {
  type: Type;
  datasource: DataSourceRef;
  targets: Query[];
  options: Written<Options>;
  fieldConfig?: {
    defaults: Written<Omit<FieldConfig, 'custom'>> & { custom?: Written<Custom> };
    overrides: { matcher: { id: string; options?: unknown }; properties: { id: string; value?: unknown }[] }[];
  };
};

type Row = Written<Omit<RowPanel, 'panels' | 'type'>> & { type: 'row'; panels: [] };

type None = Record<string, never>;

/** A dashboard of these panels. */
export type Made = Written<Omit<Dashboard, 'panels' | 'templating' | 'annotations'>> & {
  panels: (
    | Row
    | PanelOf<'bargauge', bargauge.Options, None>
    | PanelOf<'stat', stat.Options, None>
    | PanelOf<'state-timeline', statetimeline.Options, statetimeline.FieldConfig>
    | PanelOf<'table', table.Options, table.FieldConfig>
    | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig>
    | PanelOf<'xychart', xychart.Options, xychart.FieldConfig>
  )[];
  templating: { list: Written<VariableModel>[] };
  annotations: {
    list?: (Written<Omit<AnnotationQuery, 'target'>> & {
      target: Query;
      // What Prometheus' annotations have besides.
      titleFormat?: string;
      textFormat?: string;
      tagKeys?: string;
    })[];
  };
};
