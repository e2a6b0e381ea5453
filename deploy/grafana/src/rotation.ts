// The dashboard of the market: the regime, what it stands on, and what is about to happen.

import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as xychart from '@grafana/grafana-foundation-sdk/xychart';

import {
  RULES,
  Section,
  SOURCE,
  UNIVERSE,
  about,
  bars,
  build,
  choice,
  columns,
  figure,
  increase,
  lines,
  mapping,
  other,
  page,
  rows,
  runbook,
  states,
  steps,
  thresholds,
  variables,
} from './parts';

const REGIMES = mapping({
  '1': ['large caps lead', 'blue'],
  '2': ['neutral', '#8e8e8e'],
  '3': ['broadening', 'light-green'],
  '4': ['small caps lead', 'green'],
  '5': ['rotation at risk', 'orange'],
});

/** Readings and the like of the rules of one kind, with kind, subject and unit as labels. */
function of(kind: string, what: string): string {
  return `universe_rule_kind:${what}:max{${RULES}, kind="${kind}"}`;
}

/** Keeps the rules whose episode stands. */
const STANDING = `and on (universe, rule) (max by (universe, rule) (rotation_open_episodes{${RULES}}) > 0)`;

const NOW: Section = {
  title: 'Now',
  panels: [
    figure({
      title: 'Regime',
      text: 'The state in force of each rule of kind regime.',
      width: 6,
      height: 4,
      ask: [{ expr: `universe_rule:rotation_regime_state:code{${UNIVERSE}}`, legend: '{{universe}} {{rule}}' }],
    })
      .mappings(REGIMES)
      .colorMode(common.BigValueColorMode.Background)
      .dataLinks([page('Now', 'now')]),
    figure({
      title: 'Score',
      text: 'The smoothed score of the regime: 1 speaks for small companies, -1 for large ones.',
      width: 4,
      height: 4,
      ask: [{ expr: `max by (universe, rule) (rotation_regime_score{${UNIVERSE}})`, legend: '{{universe}} {{rule}}' }],
    })
      .decimals(2)
      .colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Thresholds))
      .thresholds(thresholds([null, 'blue'], [-0.4, 'text'], [0.25, 'green'])),
    figure({
      title: 'Open episodes',
      text: 'Episodes that stand now.',
      width: 3,
      height: 4,
      ask: [{ expr: `sum(rotation_open_episodes{${RULES}})` }],
      runbook: 'rotationepisodeopen',
    }).dataLinks([page('Open episodes', 'now')]),
    figure({
      title: 'Events in a day',
      text: 'Events for the alert topic within 24 hours, by severity.',
      width: 5,
      height: 4,
      ask: [
        {
          expr: `sum by (severity) (universe_rule_severity:rotation_alerts:increase1d{${RULES}})`,
          legend: '{{severity}}',
        },
      ],
    }).decimals(0),
    figure({
      title: 'Market time',
      text: 'Event time up to which everything is decided.',
      width: 6,
      height: 4,
      unit: 'dateTimeAsIso',
      ask: [{ expr: `min by (universe) (rotation_horizon_seconds{${UNIVERSE}}) * 1000`, legend: '{{universe}}' }],
      runbook: 'rotationhorizonbehind',
    }),
  ],
};

const REGIME: Section = {
  title: 'Regime',
  panels: [
    states({
      title: 'Regime',
      text: 'The state in force over time, of each rule of kind regime.',
      width: 24,
      height: 5,
      ask: [{ expr: `universe_rule:rotation_regime_state:code{${UNIVERSE}}`, legend: '{{universe}} {{rule}}' }],
    }).mappings(REGIMES),
    steps({
      title: 'Score',
      text: 'The score, and the level that would change the state next.',
      width: 12,
      height: 9,
      ask: [
        { expr: `max by (universe, rule) (rotation_regime_score{${UNIVERSE}})`, legend: '{{rule}} score' },
        {
          expr: `universe_rule_kind:rotation_rule_threshold:max{${UNIVERSE}, kind="regime"}`,
          legend: '{{rule}} next level',
        },
      ],
    })
      .axisCenteredZero(true)
      .overrideByRegexp('/ next level$/', dashed('orange')),
    bars({
      title: 'Contributions to the score',
      text: 'What each input adds to the score before it is smoothed.',
      width: 12,
      height: 9,
      ask: [
        { expr: `max by (universe, rule, input) (rotation_regime_contribution{${UNIVERSE}})`, legend: '{{input}}' },
      ],
    }).axisCenteredZero(true),
  ],
};

const STREAKS: Section = {
  title: 'Streaks, levels and breadth',
  panels: [
    steps({
      title: 'Streaks against their record',
      text: 'Length of each run, the length of its next event, and that of the latest earlier run at least as long.',
      width: 16,
      height: 8,
      ask: [
        { expr: of('relative_streak', 'rotation_rule_reading'), legend: '{{rule}}' },
        { expr: of('relative_streak', 'rotation_rule_threshold'), legend: '{{rule}} next event' },
        {
          expr: `max by (universe, rule) (rotation_streak_record_sessions{${RULES}}) > 0`,
          legend: '{{rule}} earlier run',
        },
      ],
    })
      .decimals(0)
      .overrideByRegexp('/ next event$/', dashed('orange'))
      .overrideByRegexp('/ earlier run$/', dashed('purple')),
    rows({
      title: 'The run to beat',
      text: 'The latest earlier run at least as long as the one that stands; without an entry there is none on record.',
      width: 8,
      height: 8,
      ask: [
        { expr: of('relative_streak', 'rotation_rule_reading') },
        { expr: `max by (universe, rule) (rotation_streak_record_sessions{${RULES}}) > 0` },
        { expr: `max by (universe, rule) (rotation_streak_record_end_seconds{${RULES}} > 0) * 1000` },
      ],
    })
      .transformations(
        columns({ rule: 'Rule', 'Value #A': 'Run', 'Value #B': 'Earlier', 'Value #C': 'Ended' }, [
          'universe',
          'kind',
          'subject',
          'unit',
        ]),
      )
      .overrideByName('Ended', [{ id: 'unit', value: 'dateTimeAsIso' }]),
    steps({
      title: '$level against its level',
      text: 'The reading with the level, the bound within which episodes open, and those beyond which they end.',
      width: 12,
      height: 9,
      ask: [
        {
          expr: `universe_rule_kind:rotation_rule_reading:max{${UNIVERSE}, rule=~"$level"}`,
          legend: '{{subject}}',
        },
        {
          expr: `max by (universe, rule, line) (rotation_rule_level{${UNIVERSE}, rule=~"$level"})`,
          legend: '{{line}}',
        },
      ],
    })
      .repeat('level')
      .repeatDirection('h')
      .maxPerRow(2)
      .overrideByName('level', [...band('red', 'opens', 30), { id: 'custom.lineWidth', value: 2 }])
      .overrideByName('opens', band('orange', 'ends', 12))
      .overrideByName('ends', dashed('#8e8e8e'))
      .overrideByName('through', band('#8e8e8e', 'level', 12)),
    steps({
      title: 'Breadth',
      text: 'What the rules of kind breadth read, and what they are held against.',
      width: 12,
      height: 9,
      ask: [
        { expr: of('breadth', 'rotation_rule_reading'), legend: '{{rule}} ({{unit}})' },
        { expr: of('breadth', 'rotation_rule_threshold'), legend: '{{rule}} threshold' },
      ],
    }).overrideByRegexp('/ threshold$/', dashed('orange')),
  ],
};

const QUADRANTS: Section = {
  title: 'Who leads',
  panels: [
    about(
      new xychart.PanelBuilder(),
      {
        title: 'Quadrant',
        text: 'Ratio against momentum, 100 the benchmark. Above: leading right, improving left; below: weakening right, lagging left.',
        width: 10,
        height: 10,
        ask: [
          { expr: `max by (universe, rule, member) (rotation_quadrant_ratio{${RULES}})` },
          { expr: `max by (universe, rule, member) (rotation_quadrant_momentum{${RULES}})` },
        ],
      },
      'table',
    )
      .transformations(
        columns({ member: 'Member', 'Value #A': 'Ratio', 'Value #B': 'Momentum', rule: 'Rule' }, ['universe']),
      )
      .mapping(xychart.SeriesMapping.Manual)
      .series([
        new xychart.XYSeriesConfigBuilder()
          .frame({ matcher: { id: 'byIndex', options: 0 } })
          .x({ matcher: { id: 'byName', options: 'Ratio' } })
          .y({ matcher: { id: 'byName', options: 'Momentum' } }),
      ])
      .show(xychart.XYShowMode.Points)
      .pointSize({ fixed: 10 })
      .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Single).sort(common.SortOrder.None))
      .legend(
        new common.VizLegendOptionsBuilder()
          .showLegend(false)
          .displayMode(common.LegendDisplayMode.List)
          .placement(common.LegendPlacement.Bottom)
          .calcs([]),
      )
      .dataLinks([page('Map', 'map')]),
    bars({
      title: 'Members in each quadrant',
      text: 'How many members each rule of kind leadership has in which quadrant.',
      width: 14,
      height: 10,
      ask: [
        {
          expr: `max by (universe, rule, quadrant) (rotation_quadrant_members{${RULES}})`,
          legend: '{{rule}} {{quadrant}}',
        },
      ],
    })
      .decimals(0)
      .overrideByRegexp('/ leading$/', colour('green'))
      .overrideByRegexp('/ weakening$/', colour('yellow'))
      .overrideByRegexp('/ lagging$/', colour('red'))
      .overrideByRegexp('/ improving$/', colour('blue')),
  ],
};

const EPISODES: Section = {
  title: 'Episodes',
  panels: [
    rows({
      title: 'Open episodes',
      text: 'Episodes that stand: since when, in event time, and what their rules read now.',
      width: 12,
      height: 9,
      ask: [
        { expr: `(universe_rule_kind:rotation_episode_opened_seconds:max{${RULES}} > 0) * 1000` },
        { expr: `universe_rule_kind:rotation_rule_reading:max{${RULES}} ${STANDING}` },
        { expr: `universe_rule_kind:rotation_rule_threshold:max{${RULES}} ${STANDING}` },
      ],
      runbook: 'rotationepisodeopen',
    })
      .transformations(
        columns(
          {
            rule: 'Rule',
            subject: 'Subject',
            'Value #A': 'Since',
            'Value #B': 'Reading',
            'Value #C': 'Threshold',
            unit: 'Unit',
          },
          ['universe', 'kind'],
        ),
      )
      .overrideByName('Since', [{ id: 'unit', value: 'dateTimeAsIso' }])
      .dataLinks([page('History', 'history?rule=${__data.fields.Rule}'), page('Rules', 'rules')]),
    states({
      title: 'Episodes by rule',
      text: 'When episodes of each rule stood.',
      width: 12,
      height: 9,
      ask: [{ expr: `max by (universe, rule) (rotation_open_episodes{${RULES}})`, legend: '{{rule}}' }],
    }).mappings(mapping({ '0': ['none', 'transparent'], '1': ['open', 'orange'] })),
    bars({
      title: 'Events',
      text: 'Events for the alert topic, by rule and state.',
      width: 24,
      height: 7,
      ask: [
        {
          expr: increase('rule, state', 'rotation_alerts_total', RULES),
          legend: '{{rule}} {{state}}',
        },
      ],
    }),
  ],
};

const SOON: Section = {
  title: 'What is about to happen',
  panels: [
    about(
      new bargauge.PanelBuilder(),
      {
        title: 'Nearest to their next event',
        text: '1: at its threshold; 0: as far as it was at any time within 30 days.',
        width: 8,
        height: 12,
        unit: 'percentunit',
        ask: [{ expr: `sort_desc(universe_rule:rotation_rule_distance:nearness30d{${RULES}})`, legend: '{{rule}}' }],
      },
      'instant',
    )
      .min(0)
      .max(1)
      .displayMode(common.BarGaugeDisplayMode.Basic)
      .orientation(common.VizOrientation.Horizontal)
      .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false).fields(''))
      .thresholds(thresholds([null, 'blue'], [0.8, 'orange'], [1, 'red']))
      .dataLinks([page('Rules', 'rules')]),
    rows({
      title: 'Rules now',
      text: 'Each rule: what it read last, what that is held against, how much is missing until its next event.',
      width: 16,
      height: 12,
      ask: [
        { expr: `universe_rule_kind:rotation_rule_reading:max{${RULES}}` },
        { expr: `universe_rule_kind:rotation_rule_threshold:max{${RULES}}` },
        { expr: `universe_rule_kind:rotation_rule_distance:max{${RULES}}` },
      ],
    })
      .transformations(
        columns(
          {
            rule: 'Rule',
            kind: 'Kind',
            subject: 'Subject',
            'Value #A': 'Reading',
            'Value #B': 'Threshold',
            'Value #C': 'Distance',
            unit: 'Unit',
          },
          ['universe'],
        ),
      )
      .dataLinks([page('History', 'history?rule=${__data.fields.Rule}'), page('Rules', 'rules')]),
    steps({
      title: 'Distance to firing',
      text: 'How much is missing until the next event of each rule, in its own unit.',
      width: 24,
      height: 8,
      ask: [{ expr: `universe_rule_kind:rotation_rule_distance:max{${RULES}}`, legend: '{{rule}} ({{unit}})' }],
    }),
    steps({
      title: '$rule: reading against threshold',
      text: 'What the rule read, and what that is held against.',
      width: 8,
      height: 7,
      ask: [
        { expr: `max by (universe) (rotation_rule_reading{${RULES}})`, legend: '{{universe}} reading' },
        { expr: `max by (universe) (rotation_rule_threshold{${RULES}})`, legend: '{{universe}} threshold' },
      ],
    })
      .repeat('rule')
      .repeatDirection('h')
      .maxPerRow(3)
      .overrideByRegexp('/ threshold$/', dashed('orange')),
  ],
};

const SERIES: Section = {
  title: 'Series',
  panels: [
    lines({
      title: 'Last closes',
      text: 'Close of the newest bar of each series, in its unit.',
      width: 16,
      height: 9,
      ask: [{ expr: `max by (universe, series) (rotation_series_last{${UNIVERSE}})`, legend: '{{series}}' }],
    }),
    rows({
      title: 'Last close of each series',
      text: 'The same as figures.',
      width: 8,
      height: 9,
      ask: [{ expr: `max by (universe, series) (rotation_series_last{${UNIVERSE}})` }],
    }).transformations(columns({ universe: 'Universe', series: 'Series', Value: 'Close' }, [])),
  ],
};

function colour(fixedColor: string): dashboard.DynamicConfigValue[] {
  return [{ id: 'color', value: { mode: 'fixed', fixedColor } }];
}

function dashed(fixedColor: string): dashboard.DynamicConfigValue[] {
  return [
    ...colour(fixedColor),
    { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 8] } },
    { id: 'custom.lineWidth', value: 1 },
  ];
}

/** A line, and the band from it down to another. */
function band(fixedColor: string, to: string, opacity: number): dashboard.DynamicConfigValue[] {
  return [...dashed(fixedColor), { id: 'custom.fillBelowTo', value: to }, { id: 'custom.fillOpacity', value: opacity }];
}

/** Where alerts opened. */
function openings(): dashboard.AnnotationQueryBuilder {
  const opened = `rotation_alerts_total{state="opened", ${RULES}}`;
  const expr = `sum by (universe, rule, severity) (increase(${opened}[$__interval])) > bool 0.5`;
  return new dashboard.AnnotationQueryBuilder()
    .name('Alerts opened')
    .datasource(SOURCE)
    .enable(true)
    .hide(false)
    .iconColor('orange')
    .target(new prometheus.DataqueryBuilder().refId('Anno').datasource(SOURCE).expr(expr).interval('1m').range())
    .titleFormat('{{rule}} opened')
    .textFormat('{{universe}}, {{severity}}')
    .tagKeys('severity');
}

export function rotation(): dashboard.Dashboard {
  const levels = choice('level', 'Level', `label_values(rotation_rule_level{${UNIVERSE}, rule=~"$rule"}, rule)`);
  const made = new dashboard.DashboardBuilder('Rotation')
    .uid('rotation')
    .description('The regime of the market, what it stands on, and what is about to happen.')
    .tags(['rotation'])
    .readonly()
    .timezone('utc')
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .time({ from: 'now-7d', to: 'now' })
    .refresh('30s')
    .variables(variables(levels.hide(dashboard.VariableHide.HideVariable)))
    .annotation(openings())
    .links([other('Operations', 'rotation-operations'), page('Page', 'now'), runbook('alerts').title('Runbook')]);
  return build(made, [NOW, REGIME, STREAKS, QUADRANTS, EPISODES, SOON, SERIES]);
}
