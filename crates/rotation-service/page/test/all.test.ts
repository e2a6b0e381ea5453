import "./bars.test";
import "./format.test";
import "./link.test";
import "./order.test";
import "./route.test";
import "./sse.test";
