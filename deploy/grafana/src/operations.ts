// The dashboard of the service: rate, errors, duration, and how full it is.

import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';

import {
  PROCESS,
  RULES,
  Section,
  UNIVERSE,
  bars,
  build,
  choice,
  columns,
  figure,
  lines,
  other,
  page,
  rows,
  runbook,
  steps,
  thresholds,
  variables,
} from './parts';

const GOOD_OR_BAD = thresholds([null, 'green'], [1, 'red']);

const NOW: Section = {
  title: 'Now',
  panels: [
    figure({
      title: 'Alerts of the service',
      text: 'Alerting rules that fire, but for those of the market itself.',
      width: 4,
      height: 4,
      ask: [
        {
          expr: 'count(ALERTS{alertname=~"Rotation.+", alertname!="RotationEpisodeOpen", alertstate="firing"}) or vector(0)',
        },
      ],
      runbook: 'alerts',
    })
      .thresholds(GOOD_OR_BAD)
      .colorMode(common.BigValueColorMode.Background),
    figure({
      title: 'Processes',
      text: 'Processes that answer scrapes.',
      width: 3,
      height: 4,
      ask: [{ expr: `sum(up{job="rotation", ${PROCESS}})` }],
      runbook: 'rotationdown',
    }).thresholds(thresholds([null, 'red'], [1, 'green'])),
    figure({
      title: 'Horizon lag',
      text: 'Wall clock less event time up to which everything is decided. Nights and weekends count.',
      width: 4,
      height: 4,
      unit: 's',
      ask: [
        { expr: `max by (universe) (rotation_horizon_lag_seconds{${UNIVERSE}, ${PROCESS}})`, legend: '{{universe}}' },
      ],
      runbook: 'rotationhorizonbehind',
    }),
    figure({
      title: 'Records waiting',
      text: 'Between the last record stepped and the end of the partitions.',
      width: 4,
      height: 4,
      ask: [{ expr: `sum by (stage) (rotation_consumer_lag{${PROCESS}})`, legend: '{{stage}}' }],
      runbook: 'rotationconsumerlaggrowing',
    }),
    figure({
      title: 'Dead letters',
      text: 'The share of the records read that cannot be used, over five minutes.',
      width: 3,
      height: 4,
      unit: 'percentunit',
      ask: [{ expr: 'rotation:dead_letters:ratio5m' }],
      runbook: 'rotationdeadletters',
    }).thresholds(thresholds([null, 'green'], [0.001, 'red'])),
    figure({
      title: 'Version',
      text: 'How many processes run which version.',
      width: 3,
      height: 4,
      ask: [{ expr: `count by (version) (rotation_build_info{${PROCESS}})`, legend: '{{version}}' }],
    }).textMode(common.BigValueTextMode.ValueAndName),
    figure({
      title: 'Configuration',
      text: 'How many processes have which configuration in force; more than one only while it is rolled out.',
      width: 3,
      height: 4,
      ask: [{ expr: `count by (digest) (rotation_config_info{${PROCESS}})`, legend: '{{digest}}' }],
      runbook: 'reload',
    }).textMode(common.BigValueTextMode.ValueAndName),
    rows({
      title: 'Alerts',
      text: 'Alerting rules that fire or wait for their time, those of the market among them.',
      width: 24,
      height: 6,
      ask: [
        {
          expr: 'max by (alertname, alertstate, severity, instance, stage, universe, rule) (ALERTS{alertname=~"Rotation.+"})',
        },
      ],
      runbook: 'alerts',
    }).transformations(
      columns({ alertname: 'Alert', alertstate: 'State', severity: 'Severity', universe: 'Universe', rule: 'Rule' }, [
        'Value',
      ]),
    ),
  ],
};

const RATE: Section = {
  title: 'Rate',
  panels: [
    lines({
      title: 'Records read',
      text: 'Records a second that each stage reads from its topic.',
      width: 8,
      height: 8,
      unit: 'ops',
      ask: [
        {
          expr: `sum by (stage) (rate(rotation_records_consumed_total{${PROCESS}}[$__rate_interval]))`,
          legend: '{{stage}}',
        },
      ],
      runbook: 'rotationstuck',
    }),
    lines({
      title: 'Ticks accepted',
      text: 'Ticks a second that went into a bar or to a rule on ticks.',
      width: 8,
      height: 8,
      unit: 'ops',
      ask: [
        {
          expr: `sum by (universe) (rate(rotation_ticks_accepted_total{${UNIVERSE}, ${PROCESS}}[$__rate_interval]))`,
          legend: '{{universe}}',
        },
      ],
      runbook: 'rotationfeedsilent',
    }),
    lines({
      title: 'Bars closed',
      text: 'Bars a second that samplers close, corrections among them.',
      width: 8,
      height: 8,
      unit: 'ops',
      ask: [
        {
          expr: `sum by (universe, clock) (rate(rotation_bars_total{${UNIVERSE}, ${PROCESS}}[$__rate_interval]))`,
          legend: '{{universe}} {{clock}}',
        },
      ],
    }),
    bars({
      title: 'Sections',
      text: 'Sections that each rule read.',
      width: 8,
      height: 8,
      ask: [
        {
          expr: `sum by (universe, rule) (increase(rotation_sections_total{${RULES}, ${PROCESS}}[$__rate_interval]))`,
          legend: '{{universe}} {{rule}}',
        },
      ],
      runbook: 'rotationnosection',
    }),
    bars({
      title: 'Alert events',
      text: 'Events for the alert topic, by severity.',
      width: 8,
      height: 8,
      ask: [
        {
          expr: `sum by (universe, severity) (increase(rotation_alerts_total{${RULES}, ${PROCESS}}[$__rate_interval]))`,
          legend: '{{universe}} {{severity}}',
        },
      ],
    }),
    lines({
      title: 'Commits',
      text: 'Transactions a second.',
      width: 8,
      height: 8,
      unit: 'ops',
      ask: [
        { expr: `sum by (stage) (rate(rotation_commits_total{${PROCESS}}[$__rate_interval]))`, legend: '{{stage}}' },
      ],
    }),
  ],
};

const ERRORS: Section = {
  title: 'Errors',
  panels: [
    bars({
      title: 'Dead letters',
      text: 'Records put to the dead letters, by reason.',
      width: 8,
      height: 8,
      ask: [
        {
          expr: `sum by (code) (increase(rotation_dead_letters_total{${PROCESS}}[$__rate_interval]))`,
          legend: '{{code}}',
        },
      ],
      runbook: 'rotationdeadletters',
    }),
    bars({
      title: 'Left out',
      text: 'Ticks, bars and horizons left out on purpose, by reason.',
      width: 8,
      height: 8,
      ask: [
        {
          expr: `sum by (code) (increase(rotation_ticks_dropped_total{universe=~"$universe|", ${PROCESS}}[$__rate_interval]))`,
          legend: '{{code}}',
        },
      ],
    }),
    bars({
      title: 'Failed commits',
      text: 'Transactions that did not commit and were tried again, by reason.',
      width: 8,
      height: 8,
      ask: [
        {
          expr: `sum by (stage, code) (increase(rotation_commit_failures_total{${PROCESS}}[$__rate_interval]))`,
          legend: '{{stage}} {{code}}',
        },
      ],
      runbook: 'rotationcommitfailures',
    }),
    figure({
      title: 'Invariants violated',
      text: 'Events that break what always holds of the alert topic.',
      width: 6,
      height: 5,
      ask: [{ expr: `sum(rotation_invariant_violations_total{${PROCESS}})` }],
      runbook: 'rotationinvariantviolated',
    }).thresholds(GOOD_OR_BAD),
    figure({
      title: 'Records lost',
      text: 'Records gone before they were read.',
      width: 6,
      height: 5,
      ask: [{ expr: `sum by (stage) (rotation_lost_records_total{${PROCESS}})`, legend: '{{stage}}' }],
      runbook: 'rotationlostrecords',
    }).thresholds(GOOD_OR_BAD),
    figure({
      title: 'Sources left out',
      text: 'Partitions of the ticks topic that trail the bars log.',
      width: 6,
      height: 5,
      ask: [{ expr: `max by (universe) (rotation_sources_excluded{${UNIVERSE}, ${PROCESS}})`, legend: '{{universe}}' }],
      runbook: 'rotationsourceexcluded',
    }).thresholds(GOOD_OR_BAD),
    figure({
      title: 'Feeds found stale',
      text: 'Episodes of rules of kind stale_feed that stand. Without a value there is no such rule.',
      width: 6,
      height: 5,
      ask: [{ expr: `universe_rule:rotation_stale_feeds:open{${RULES}}`, legend: '{{universe}} {{rule}}' }],
      runbook: 'rotationfeedstale',
    }).thresholds(GOOD_OR_BAD),
    bars({
      title: 'Corrections',
      text: 'Bars restated after they were closed, and watched ticks voided, by cause.',
      width: 24,
      height: 7,
      ask: [
        {
          expr: `sum by (universe, clock, cause) (increase(rotation_corrections_total{${UNIVERSE}, ${PROCESS}}[$__rate_interval]))`,
          legend: '{{universe}} {{clock}} {{cause}}',
        },
      ],
    }),
  ],
};

const DURATION: Section = {
  title: 'Duration',
  panels: [
    lines({
      title: 'Commit latency',
      text: 'From opening a transaction to its commit: half of them take no longer than the median, one in a hundred longer than the p99.',
      width: 8,
      height: 8,
      unit: 's',
      ask: [
        {
          expr: `histogram_quantile(0.5, sum by (stage, le) (rate(rotation_commit_duration_seconds_bucket{${PROCESS}}[$__rate_interval])))`,
          legend: '{{stage}} median',
        },
        {
          expr: `histogram_quantile(0.99, sum by (stage, le) (rate(rotation_commit_duration_seconds_bucket{${PROCESS}}[$__rate_interval])))`,
          legend: '{{stage}} p99',
        },
      ],
      runbook: 'rotationcommitsslow',
    }),
    lines({
      title: 'Horizon lag',
      text: 'Wall clock less event time up to which everything is decided.',
      width: 8,
      height: 8,
      unit: 's',
      ask: [
        { expr: `max by (universe) (rotation_horizon_lag_seconds{${UNIVERSE}, ${PROCESS}})`, legend: '{{universe}}' },
      ],
      runbook: 'rotationhorizonstuck',
    }),
    lines({
      title: 'Sources behind the fastest',
      text: 'How far each partition of the ticks topic is behind the one that is furthest, in event time. Sections wait for the slowest.',
      width: 8,
      height: 8,
      unit: 's',
      ask: [
        {
          expr: `max by (universe) (universe_partition:rotation_source_horizon_seconds:max{${UNIVERSE}}) - on (universe) group_right () universe_partition:rotation_source_horizon_seconds:max{${UNIVERSE}}`,
          legend: '{{universe}} partition {{partition}}',
        },
      ],
      runbook: 'rotationsourcebehind',
    }),
    steps({
      title: 'Restore',
      text: 'Time that the newest restore of a task took.',
      width: 24,
      height: 6,
      unit: 's',
      ask: [
        { expr: `max by (instance, stage) (rotation_restore_seconds{${PROCESS}})`, legend: '{{instance}} {{stage}}' },
      ],
      runbook: 'rotationrestarts',
    }),
  ],
};

const FULL: Section = {
  title: 'How full',
  panels: [
    lines({
      title: 'Records waiting',
      text: 'Between the last record stepped and the end of each partition. The marker that ends a transaction counts as one.',
      width: 8,
      height: 8,
      ask: [
        { expr: `max by (stage, partition) (rotation_consumer_lag{${PROCESS}})`, legend: '{{stage}} {{partition}}' },
      ],
      runbook: 'rotationconsumerlaggrowing',
    }),
    lines({
      title: 'Memory',
      text: 'Resident memory of each process.',
      width: 8,
      height: 8,
      unit: 'bytes',
      ask: [{ expr: `rotation_process_resident_memory_bytes{${PROCESS}}`, legend: '{{instance}}' }],
      runbook: 'rotationrestarts',
    }),
    steps({
      title: 'Partitions assigned',
      text: 'Partitions that each process holds; over all processes they add up to those of the topic.',
      width: 8,
      height: 8,
      ask: [
        {
          expr: `sum by (instance, stage) (rotation_assigned_partitions{${PROCESS}})`,
          legend: '{{instance}} {{stage}}',
        },
      ],
      runbook: 'rotationrebalancing',
    }).decimals(0),
  ],
};

const PROCESSES: Section = {
  title: 'Processes and configuration',
  panels: [
    bars({
      title: 'Rebalances',
      text: 'Changes of the assignment of each stage.',
      width: 8,
      height: 7,
      ask: [
        {
          expr: `sum by (stage, event) (increase(rotation_rebalances_total{${PROCESS}}[$__rate_interval]))`,
          legend: '{{stage}} {{event}}',
        },
      ],
      runbook: 'rotationrebalancing',
    }),
    steps({
      title: 'Restarts within the hour',
      text: 'How often each process started anew.',
      width: 8,
      height: 7,
      ask: [{ expr: `instance:rotation_process_starts:changes1h{${PROCESS}}`, legend: '{{instance}}' }],
      runbook: 'rotationrestarts',
    }).decimals(0),
    lines({
      title: 'Running for',
      text: 'Since each process started.',
      width: 8,
      height: 7,
      unit: 's',
      ask: [{ expr: `time() - rotation_process_start_time_seconds{${PROCESS}}`, legend: '{{instance}}' }],
      runbook: 'restart',
    }),
    lines({
      title: 'In force for',
      text: 'Since the configuration in force was applied.',
      width: 8,
      height: 7,
      unit: 's',
      ask: [{ expr: `time() - rotation_config_applied_time_seconds{${PROCESS}}`, legend: '{{instance}}' }],
      runbook: 'reload',
    }),
    bars({
      title: 'Reloads',
      text: 'Reloads of the configuration: applied, or refused, which changed nothing.',
      width: 8,
      height: 7,
      ask: [
        {
          expr: `sum by (outcome) (increase(rotation_config_reloads_total{${PROCESS}}[$__rate_interval]))`,
          legend: '{{outcome}}',
        },
      ],
      runbook: 'reload',
    }),
    bars({
      title: 'Rules changed',
      text: 'Rules that a new configuration added, changed or removed.',
      width: 8,
      height: 7,
      ask: [
        {
          expr: `sum by (universe, change) (increase(rotation_rules_changed_total{${UNIVERSE}, ${PROCESS}}[$__rate_interval]))`,
          legend: '{{universe}} {{change}}',
        },
      ],
      runbook: 'rolling-restart',
    }),
  ],
};

export function operations(): dashboard.Dashboard {
  const processes = choice('instance', 'Process', 'label_values(rotation_build_info, instance)');
  const made = new dashboard.DashboardBuilder('Rotation operations')
    .uid('rotation-operations')
    .description('The service: rate, errors, duration, and how full it is.')
    .tags(['rotation'])
    .readonly()
    .timezone('utc')
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .time({ from: 'now-6h', to: 'now' })
    .refresh('30s')
    .variables(variables(processes))
    .links([other('Market', 'rotation'), page('Page', 'now'), runbook('alerts').title('Runbook')]);
  return build(made, [NOW, RATE, ERRORS, DURATION, FULL, PROCESSES]);
}
