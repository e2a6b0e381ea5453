import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Acts on each alert once, and knows which episodes stand. See README.md one folder up. */
public final class Subscriber {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** The newest transition of each episode that was acted on: a file that is only ever added to. */
    private final Map<String, String[]> episodes = new TreeMap<>();

    private final OutputStream journal;

    private Subscriber(Path path) throws IOException {
        String text = Files.exists(path) ? Files.readString(path) : "";
        // A line without its end was being written in a crash: it was not acted on.
        String whole = text.substring(0, text.lastIndexOf('\n') + 1);
        if (!whole.equals(text)) {
            Files.writeString(path, whole);
        }
        whole.lines().map(line -> line.split("\t")).forEach(fields -> episodes.put(fields[1], fields));
        journal = Files.newOutputStream(path, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private boolean knows(JsonNode data) {
        String[] known = episodes.get(data.path("episode").asText());
        return known != null && data.path("transition").asLong() <= Long.parseLong(known[2]);
    }

    private void note(JsonNode data) throws IOException {
        String episode = data.path("episode").asText();
        String state = data.path("state").asText();
        String[] known = episodes.getOrDefault(episode, new String[] {"open"});
        String stands = switch (state) {
            case "opened", "escalated", "eased", "corrected" -> "open";
            case "resolved", "retracted" -> "closed";
            // `confirmed`, and what a later version adds, leave the episode as it is.
            default -> known[0];
        };
        String[] fields = {
            stands, episode, data.path("transition").asText(), state,
            data.path("severity").asText(), data.path("as_of").asText()
        };
        journal.write((String.join("\t", fields) + "\n").getBytes(StandardCharsets.UTF_8));
        episodes.put(episode, fields);
    }

    /** Yours to replace. The event's id is the key to give to what can tell repeats apart. */
    private static void act(JsonNode event) {
        System.out.println("act\t" + event.path("id").asText() + "\t" + event.path("data").path("headline").asText());
    }

    private void take(byte[] payload) throws IOException {
        JsonNode event = JSON.readTree(payload);
        if (!knows(event.path("data"))) {
            // The other way around: never lost, perhaps repeated. See README.md.
            note(event.path("data"));
            act(event);
        }
    }

    private void follow(KafkaConsumer<byte[], byte[]> consumer, String topic, boolean untilEnd) throws IOException {
        consumer.subscribe(List.of(topic));
        try {
            do {
                var records = consumer.poll(Duration.ofMillis(200));
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    take(record.value());
                }
                if (!records.isEmpty()) {
                    consumer.commitAsync();
                }
            } while (!untilEnd || !isAtEnd(consumer));
        } catch (WakeupException stopped) {
            // In order, by a signal.
        }
        if (!consumer.assignment().isEmpty()) {
            consumer.commitSync();
        }
    }

    private static boolean isAtEnd(KafkaConsumer<byte[], byte[]> consumer) {
        var ends = consumer.endOffsets(consumer.assignment());
        return !ends.isEmpty() && ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
    }

    public static void main(String[] args) throws Exception {
        var flags = new TreeMap<>(Map.of("--brokers", "localhost:9092", "--topic", "rotation.alerts",
            "--group", "my-alerts", "--journal", "alerts.journal"));
        var properties = new Properties();
        properties.put("isolation.level", "read_committed");
        properties.put("enable.auto.commit", "false"); // after the fact, above
        properties.put("auto.offset.reset", "earliest");
        boolean untilEnd = false;
        for (int at = 0; at < args.length; at++) {
            switch (args[at]) {
                case "--until-end" -> untilEnd = true;
                case "-X" -> properties.put(args[++at].split("=", 2)[0], args[at].split("=", 2)[1]);
                default -> flags.put(args[at], args[++at]);
            }
        }
        properties.put("bootstrap.servers", flags.get("--brokers"));
        properties.put("group.id", flags.get("--group"));
        var subscriber = new Subscriber(Path.of(flags.get("--journal")));
        var bytes = new ByteArrayDeserializer();
        var consumer = new KafkaConsumer<>(properties, bytes, bytes);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join();
            } catch (InterruptedException gone) {
                Thread.currentThread().interrupt();
            }
        }));
        try (consumer) {
            subscriber.follow(consumer, flags.get("--topic"), untilEnd);
        }
        subscriber.episodes.values().forEach(fields -> System.out.println(String.join("\t", fields)));
    }
}
