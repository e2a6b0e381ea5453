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
  increase,
  lines,
  mapping,
  other,
  page,
  rate,
  rows,
  runbook,
  steps,
  thresholds,
  variables,
} from './parts';

/** How far each source partition has come. */
const SOURCES = `universe_partition:rotation_source_horizon_seconds:max{${UNIVERSE}}`;

/** How long the share of commits takes at most. */
function commits(share: number): string {
  const bucket = 'rotation_commit_duration_seconds_bucket';
  return `histogram_quantile(${share}, ${rate('stage, le', bucket, PROCESS)})`;
}

/** What tells one alert from another. */
const ALERT = ['alertname', 'alertstate', 'severity', 'instance', 'stage', 'universe', 'rule'];

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
          expr: 'count(ALERTS{alertname=~"Rotation.+", severity!="info", alertstate="firing"}) or vector(0)',
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
          expr: `max by (${ALERT.join(', ')}) (ALERTS{alertname=~"Rotation.+"})`,
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
          expr: rate('stage', 'rotation_records_consumed_total', PROCESS),
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
          expr: rate('universe', 'rotation_ticks_accepted_total', `${UNIVERSE}, ${PROCESS}`),
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
          expr: rate('universe, clock', 'rotation_bars_total', `${UNIVERSE}, ${PROCESS}`),
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
          expr: increase('universe, rule', 'rotation_sections_total', `${RULES}, ${PROCESS}`),
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
          expr: increase('universe, severity', 'rotation_alerts_total', `${RULES}, ${PROCESS}`),
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
      ask: [{ expr: rate('stage', 'rotation_commits_total', PROCESS), legend: '{{stage}}' }],
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
          expr: increase('code', 'rotation_dead_letters_total', PROCESS),
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
          expr: increase('code', 'rotation_ticks_dropped_total', `universe=~"$universe|", ${PROCESS}`),
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
          expr: increase('stage, code', 'rotation_commit_failures_total', PROCESS),
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
          expr: increase('universe, clock, cause', 'rotation_corrections_total', `${UNIVERSE}, ${PROCESS}`),
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
      text: 'From opening a transaction to its commit: the median, and what one in a hundred exceeds.',
      width: 8,
      height: 8,
      unit: 's',
      ask: [
        {
          expr: commits(0.5),
          legend: '{{stage}} median',
        },
        {
          expr: commits(0.99),
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
      text: 'How far each partition of the ticks topic is behind in event time. Sections wait for the slowest.',
      width: 8,
      height: 8,
      unit: 's',
      ask: [
        {
          expr: `max by (universe) (${SOURCES}) - on (universe) group_right () ${SOURCES}`,
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
      text: 'Up to the end of each partition. The marker that ends a transaction counts as one.',
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
          expr: increase('stage, event', 'rotation_rebalances_total', PROCESS),
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
          expr: increase('outcome', 'rotation_config_reloads_total', PROCESS),
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
          expr: increase('universe, change', 'rotation_rules_changed_total', `${UNIVERSE}, ${PROCESS}`),
          legend: '{{universe}} {{change}}',
        },
      ],
      runbook: 'rolling-restart',
    }),
  ],
};

const PAGE: Section = {
  title: 'Page',
  panels: [
    bars({
      title: 'Records read for the page',
      text: 'Records of the alert topic and of readings that the page has read.',
      width: 4,
      height: 7,
      ask: [{ expr: increase('topic', 'rotation_view_records_total', PROCESS), legend: '{{topic}}' }],
    }),
    bars({
      title: 'Passed over',
      text: 'Records of those topics that are none of ours.',
      width: 4,
      height: 7,
      ask: [{ expr: increase('topic', 'rotation_view_malformed_total', PROCESS), legend: '{{topic}}' }],
    }),
    figure({
      title: 'Up to date',
      text: 'Whether the page of every process has read each topic to its end.',
      width: 4,
      height: 7,
      ask: [{ expr: `min by (topic) (rotation_view_caught_up{${PROCESS}})`, legend: '{{topic}}' }],
    })
      .mappings(mapping({ '0': ['behind', 'orange'], '1': ['yes', 'green'] }))
      .thresholds(thresholds([null, 'orange'], [1, 'green'])),
    steps({
      title: 'Readers',
      text: 'Clients of the stream of events of each process.',
      width: 4,
      height: 7,
      ask: [{ expr: `rotation_view_clients{${PROCESS}}`, legend: '{{instance}}' }],
    }).decimals(0),
    bars({
      title: 'Readers sent away',
      text: 'Clients refused since there are too many, or cut off since they are too slow; they come back by themselves.',
      width: 4,
      height: 7,
      ask: [{ expr: increase('reason', 'rotation_view_clients_dropped_total', PROCESS), legend: '{{reason}}' }],
    }),
    bars({
      title: 'Spans',
      text: 'Spans of traced ticks: told to the collector, dropped since the queue was full, failed since it took none.',
      width: 4,
      height: 7,
      ask: [{ expr: increase('outcome', 'rotation_spans_total', PROCESS), legend: '{{outcome}}' }],
    }),
  ],
};

const NOTIFIER: Section = {
  title: 'Notifier',
  panels: [
    bars({
      title: 'Delivered',
      text: 'Events that each target has taken, and alerts posted again because they stand.',
      width: 8,
      height: 7,
      ask: [
        { expr: increase('target', 'rotation_notify_delivered_total', PROCESS), legend: '{{target}}' },
        { expr: increase('target', 'rotation_notify_repeated_total', PROCESS), legend: '{{target}} again' },
        { expr: increase('target', 'rotation_notify_muted_total', PROCESS), legend: '{{target}} muted' },
      ],
    }),
    bars({
      title: 'Failed attempts',
      text: 'Attempts that failed and those made again; what was given up went to the dead letters.',
      width: 8,
      height: 7,
      ask: [
        { expr: increase('target', 'rotation_notify_failed_attempts_total', PROCESS), legend: '{{target}} failed' },
        { expr: increase('target', 'rotation_notify_retries_total', PROCESS), legend: '{{target}} again' },
        { expr: increase('target', 'rotation_notify_dead_letters_total', PROCESS), legend: '{{target}} given up' },
      ],
      runbook: 'rotationnotifygaveup',
    }),
    lines({
      title: 'Oldest undelivered',
      text: 'Age of the oldest event that a target has not taken.',
      width: 8,
      height: 7,
      unit: 's',
      ask: [{ expr: `max by (target) (rotation_notify_oldest_seconds{${PROCESS}})`, legend: '{{target}}' }],
      runbook: 'rotationnotifybehind',
    }),
    steps({
      title: 'Waiting and standing',
      text: 'Events that a target has to take, and episodes that it was told of and that stand.',
      width: 12,
      height: 7,
      ask: [
        { expr: `sum by (target) (rotation_notify_waiting{${PROCESS}})`, legend: '{{target}} waiting' },
        { expr: `sum by (target) (rotation_notify_standing{${PROCESS}})`, legend: '{{target}} standing' },
      ],
    }).decimals(0),
    lines({
      title: 'Commits of the notifier',
      text: 'Commits of what was delivered; those that failed are tried again.',
      width: 12,
      height: 7,
      unit: 'ops',
      ask: [{ expr: rate('outcome', 'rotation_notify_commits_total', PROCESS), legend: '{{outcome}}' }],
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
  return build(made, [NOW, RATE, ERRORS, DURATION, FULL, PROCESSES, PAGE, NOTIFIER]);
}
