/* A small TCP server in the manner of DisProTrack's proof of concept (section IV, Listing 1; its text was not to be had).
 *
 * An event-handling loop, the handling of a request in its body, 8 log strings and 10 edges between them: they are
 * written down in ../poc_expected.py. The calls are of the kinds that compilers turn into others: printf of a constant
 * (puts), fprintf of a constant (fwrite), fprintf with arguments, and a variadic function of the program's own.
 *
 *     poc        prints its port and serves on 127.0.0.1 until a client says "quit"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stdout, format, arguments);
	va_end(arguments);
	fputc('\n', stdout);
	fflush(stdout);
}

static int listening(unsigned short *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	int server = socket(AF_INET, SOCK_STREAM, 0);

	if (server < 0 || bind(server, (struct sockaddr *)&address, size) || listen(server, 8))
		return -1;
	getsockname(server, (struct sockaddr *)&address, &size);
	*port = ntohs(address.sin_port);
	return server;
}

/* Returns 1 if the client wants the server to stop. */
static int handle(int client)
{
	char request[256];
	int stop = 0;
	ssize_t length = read(client, request, sizeof request - 1);

	if (length <= 0) {
		fprintf(stdout, "Error reading: %s\n", length ? strerror(errno) : "end of file");
	} else {
		request[length] = '\0';
		request[strcspn(request, "\r\n")] = '\0';
		note("Reading %s", request);
		stop = strcmp(request, "quit") == 0;
		if (write(client, "done\n", 5) < 0)
			stop = 1;
	}
	fprintf(stdout, "Closing %d after %zd bytes\n", client, length);
	return stop;
}

int main(void)
{
	unsigned short port = 0;
	int server = listening(&port);

	if (server < 0)
		return 1;
	setvbuf(stdout, NULL, _IONBF, 0);
	printf("Server started on port %hu\n", port);
	for (;;) {
		struct sockaddr_in peer;
		socklen_t size = sizeof peer;
		int client, stop;

		printf("Waiting...\n");
		client = accept(server, (struct sockaddr *)&peer, &size);
		if (client < 0) {
			note("Error accepting: %s", strerror(errno));
			continue;
		}
		note("Accepted from %s:%d", inet_ntoa(peer.sin_addr), ntohs(peer.sin_port));
		stop = handle(client);
		close(client);
		if (stop)
			break;
	}
	close(server);
	fprintf(stdout, "Server stopped\n");
	return 0;
}
