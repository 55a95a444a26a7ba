/*
 * Which dependency shows which framework. A name that ends with '*' is a prefix. Frameworks are what an
 * application is written against or tested with; libraries for one task are dependencies and nothing more.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scanner/scan.h"
#include "scanner/text.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define FRAMEWORKS_FOUND_MAX 400 /* more than the tables hold */

struct sign {
    const char *package, *framework;
};

static const struct sign npm[] = {
    {"react", "React"},
    {"react-dom", "React"},
    {"preact", "Preact"},
    {"next", "Next.js"},
    {"vue", "Vue"},
    {"nuxt", "Nuxt"},
    {"nuxt3", "Nuxt"},
    {"@angular/core", "Angular"},
    {"angular", "AngularJS"},
    {"svelte", "Svelte"},
    {"@sveltejs/kit", "SvelteKit"},
    {"solid-js", "SolidJS"},
    {"@builder.io/qwik", "Qwik"},
    {"astro", "Astro"},
    {"gatsby", "Gatsby"},
    {"@remix-run/react", "Remix"},
    {"@remix-run/node", "Remix"},
    {"express", "Express"},
    {"fastify", "Fastify"},
    {"koa", "Koa"},
    {"@hapi/hapi", "hapi"},
    {"hono", "Hono"},
    {"@nestjs/core", "NestJS"},
    {"@adonisjs/core", "AdonisJS"},
    {"sails", "Sails"},
    {"meteor-node-stubs", "Meteor"},
    {"ember-source", "Ember"},
    {"lit", "Lit"},
    {"alpinejs", "Alpine.js"},
    {"backbone", "Backbone"},
    {"electron", "Electron"},
    {"react-native", "React Native"},
    {"expo", "Expo"},
    {"@ionic/core", "Ionic"},
    {"@tauri-apps/api", "Tauri"},
    {"@capacitor/core", "Capacitor"},
    {"socket.io", "Socket.IO"},
    {"@apollo/server", "Apollo Server"},
    {"apollo-server", "Apollo Server"},
    {"@trpc/server", "tRPC"},
    {"@prisma/client", "Prisma"},
    {"typeorm", "TypeORM"},
    {"sequelize", "Sequelize"},
    {"mongoose", "Mongoose"},
    {"drizzle-orm", "Drizzle"},
    {"redux", "Redux"},
    {"@reduxjs/toolkit", "Redux"},
    {"tailwindcss", "Tailwind CSS"},
    {"bootstrap", "Bootstrap"},
    {"@mui/material", "Material UI"},
    {"antd", "Ant Design"},
    {"vuetify", "Vuetify"},
    {"three", "three.js"},
    {"jquery", "jQuery"},
    {"jest", "Jest"},
    {"vitest", "Vitest"},
    {"mocha", "Mocha"},
    {"jasmine", "Jasmine"},
    {"jasmine-core", "Jasmine"},
    {"ava", "AVA"},
    {"cypress", "Cypress"},
    {"@playwright/test", "Playwright"},
    {"karma", "Karma"},
    {"@storybook/*", "Storybook"},
    {"storybook", "Storybook"},
    {"vite", "Vite"},
    {"webpack", "webpack"},
    {"@docusaurus/core", "Docusaurus"},
    {"vitepress", "VitePress"},
    {"@11ty/eleventy", "Eleventy"},
    {"discord.js", "discord.js"},
    {"serverless", "Serverless"},
    {"aws-cdk-lib", "AWS CDK"},
    {"strapi", "Strapi"},
    {"@strapi/strapi", "Strapi"},
    {"@keystone-6/core", "Keystone"},
    {"payload", "Payload"},
    {"langchain", "LangChain"},
};
static const struct sign pypi[] = {
    {"django", "Django"},
    {"djangorestframework", "Django REST framework"},
    {"flask", "Flask"},
    {"quart", "Quart"},
    {"fastapi", "FastAPI"},
    {"starlette", "Starlette"},
    {"tornado", "Tornado"},
    {"pyramid", "Pyramid"},
    {"bottle", "Bottle"},
    {"falcon", "Falcon"},
    {"sanic", "Sanic"},
    {"aiohttp", "aiohttp"},
    {"litestar", "Litestar"},
    {"cherrypy", "CherryPy"},
    {"streamlit", "Streamlit"},
    {"gradio", "Gradio"},
    {"dash", "Dash"},
    {"celery", "Celery"},
    {"scrapy", "Scrapy"},
    {"sqlalchemy", "SQLAlchemy"},
    {"pydantic", "Pydantic"},
    {"torch", "PyTorch"},
    {"tensorflow", "TensorFlow"},
    {"keras", "Keras"},
    {"jax", "JAX"},
    {"scikit-learn", "scikit-learn"},
    {"pandas", "pandas"},
    {"numpy", "NumPy"},
    {"transformers", "Transformers"},
    {"langchain", "LangChain"},
    {"apache-airflow", "Apache Airflow"},
    {"pyspark", "Apache Spark"},
    {"wagtail", "Wagtail"},
    {"pygame", "Pygame"},
    {"pyqt5", "Qt"},
    {"pyqt6", "Qt"},
    {"pyside6", "Qt"},
    {"kivy", "Kivy"},
    {"discord-py", "discord.py"},
    {"pytest", "pytest"},
    {"nose", "nose"},
    {"behave", "behave"},
    {"robotframework", "Robot Framework"},
    {"hypothesis", "Hypothesis"},
    {"sphinx", "Sphinx"},
    {"mkdocs", "MkDocs"},
    {"click", "Click"},
    {"typer", "Typer"},
};
static const struct sign go[] = {
    {"github.com/gin-gonic/gin", "Gin"},
    {"github.com/labstack/echo", "Echo"},
    {"github.com/gofiber/fiber", "Fiber"},
    {"github.com/go-chi/chi", "chi"},
    {"github.com/gorilla/mux", "Gorilla Mux"},
    {"github.com/beego/beego", "Beego"},
    {"github.com/astaxie/beego", "Beego"},
    {"github.com/revel/revel", "Revel"},
    {"github.com/gobuffalo/buffalo", "Buffalo"},
    {"github.com/kataras/iris", "Iris"},
    {"github.com/valyala/fasthttp", "fasthttp"},
    {"goa.design/goa", "Goa"},
    {"github.com/go-kit/kit", "Go kit"},
    {"github.com/go-kratos/kratos", "Kratos"},
    {"github.com/zeromicro/go-zero", "go-zero"},
    {"github.com/cloudwego/hertz", "Hertz"},
    {"google.golang.org/grpc", "gRPC"},
    {"gorm.io/gorm", "GORM"},
    {"github.com/jinzhu/gorm", "GORM"},
    {"entgo.io/ent", "ent"},
    {"github.com/spf13/cobra", "Cobra"},
    {"github.com/urfave/cli", "urfave/cli"},
    {"github.com/charmbracelet/bubbletea", "Bubble Tea"},
    {"fyne.io/fyne", "Fyne"},
    {"github.com/wailsapp/wails", "Wails"},
    {"github.com/stretchr/testify", "Testify"},
    {"github.com/onsi/ginkgo", "Ginkgo"},
    {"k8s.io/client-go", "Kubernetes client"},
    {"sigs.k8s.io/controller-runtime", "controller-runtime"},
    {"github.com/99designs/gqlgen", "gqlgen"},
    {"go.temporal.io/sdk", "Temporal"},
    {"github.com/hashicorp/terraform-plugin-framework", "Terraform plugin"},
};
static const struct sign cargo[] = {
    {"actix-web", "Actix Web"},
    {"axum", "Axum"},
    {"rocket", "Rocket"},
    {"warp", "warp"},
    {"tide", "Tide"},
    {"poem", "Poem"},
    {"salvo", "Salvo"},
    {"hyper", "hyper"},
    {"tokio", "Tokio"},
    {"async-std", "async-std"},
    {"tonic", "Tonic"},
    {"tower", "Tower"},
    {"diesel", "Diesel"},
    {"sqlx", "SQLx"},
    {"sea-orm", "SeaORM"},
    {"leptos", "Leptos"},
    {"yew", "Yew"},
    {"dioxus", "Dioxus"},
    {"tauri", "Tauri"},
    {"egui", "egui"},
    {"iced", "iced"},
    {"bevy", "Bevy"},
    {"clap", "clap"},
    {"serde", "Serde"},
    {"criterion", "Criterion"},
    {"proptest", "proptest"},
    {"pyo3", "PyO3"},
    {"wasm-bindgen", "wasm-bindgen"},
    {"embassy-executor", "Embassy"},
    {"ratatui", "Ratatui"},
};
static const struct sign maven[] = {
    {"org.springframework.boot*", "Spring Boot"},
    {"org.springframework.cloud:*", "Spring Cloud"},
    {"org.springframework.security:*", "Spring Security"},
    {"org.springframework:spring-*", "Spring Framework"},
    {"io.quarkus*", "Quarkus"},
    {"io.micronaut*", "Micronaut"},
    {"io.helidon*", "Helidon"},
    {"io.dropwizard:*", "Dropwizard"},
    {"io.vertx:*", "Vert.x"},
    {"io.ktor*", "Ktor"},
    {"io.javalin:*", "Javalin"},
    {"com.sparkjava:*", "Spark Java"},
    {"org.http4k:*", "http4k"},
    {"com.typesafe.play:*", "Play"},
    {"com.typesafe.akka:*", "Akka"},
    {"org.apache.struts:*", "Struts"},
    {"org.apache.wicket:*", "Wicket"},
    {"com.vaadin:*", "Vaadin"},
    {"org.grails:*", "Grails"},
    {"jakarta.platform:*", "Jakarta EE"},
    {"javax:javaee-*", "Java EE"},
    {"org.hibernate.orm:*", "Hibernate"}, /* org.hibernate:hibernate-validator is another thing */
    {"org.hibernate.reactive:*", "Hibernate"},
    {"org.hibernate:hibernate-core*", "Hibernate"},
    {"org.hibernate:hibernate-entitymanager", "Hibernate"},
    {"org.mybatis*", "MyBatis"},
    {"org.jooq:*", "jOOQ"},
    {"io.netty:*", "Netty"},
    {"org.apache.kafka:*", "Apache Kafka"},
    {"org.apache.spark:*", "Apache Spark"},
    {"org.apache.flink:*", "Apache Flink"},
    {"org.apache.camel*", "Apache Camel"},
    {"com.android.application", "Android"},
    {"com.android.library", "Android"},
    {"com.android.tools.build:gradle", "Android"},
    {"androidx.compose*", "Jetpack Compose"},
    {"androidx.*", "AndroidX"},
    {"com.google.dagger:hilt*", "Hilt"},
    {"com.google.dagger:*", "Dagger"},
    {"org.openjfx:*", "JavaFX"},
    {"org.junit.jupiter:*", "JUnit"},
    {"org.junit:*", "JUnit"},
    {"junit:junit", "JUnit"},
    {"org.testng:testng", "TestNG"},
    {"org.mockito:*", "Mockito"},
    {"org.spockframework:*", "Spock"},
    {"io.kotest:*", "Kotest"},
    {"io.cucumber:*", "Cucumber"},
    {"org.testcontainers:*", "Testcontainers"},
    {"net.minecraftforge*", "Minecraft Forge"},
    {"org.assertj:*", "AssertJ"},
    {"com.graphql-java:*", "GraphQL Java"},
    {"io.grpc:*", "gRPC"},
};
static const struct sign composer[] = {
    {"laravel/framework", "Laravel"},
    {"laravel/lumen-framework", "Lumen"},
    {"symfony/framework-bundle", "Symfony"},
    {"symfony/symfony", "Symfony"},
    {"symfony/*", "Symfony components"},
    {"illuminate/*", "Laravel components"},
    {"slim/slim", "Slim"},
    {"cakephp/cakephp", "CakePHP"},
    {"codeigniter4/framework", "CodeIgniter"},
    {"yiisoft/yii2", "Yii"},
    {"laminas/*", "Laminas"},
    {"mezzio/mezzio", "Mezzio"},
    {"drupal/core*", "Drupal"},
    {"typo3/cms-core", "TYPO3"},
    {"magento/*", "Magento"},
    {"api-platform/core", "API Platform"},
    {"doctrine/orm", "Doctrine"},
    {"livewire/livewire", "Livewire"},
    {"filament/filament", "Filament"},
    {"inertiajs/inertia-laravel", "Inertia"},
    {"hyperf/framework", "Hyperf"},
    {"twig/twig", "Twig"},
    {"phpunit/phpunit", "PHPUnit"},
    {"pestphp/pest", "Pest"},
    {"behat/behat", "Behat"},
    {"codeception/codeception", "Codeception"},
};
static const struct sign rubygems[] = {
    {"rails", "Ruby on Rails"},
    {"railties", "Ruby on Rails"},
    {"sinatra", "Sinatra"},
    {"hanami", "Hanami"},
    {"grape", "Grape"},
    {"roda", "Roda"},
    {"padrino", "Padrino"},
    {"jekyll", "Jekyll"},
    {"middleman", "Middleman"},
    {"sidekiq", "Sidekiq"},
    {"activerecord", "Active Record"},
    {"sequel", "Sequel"},
    {"puma", "Puma"},
    {"spree", "Spree"},
    {"solidus", "Solidus"},
    {"rspec", "RSpec"},
    {"rspec-rails", "RSpec"},
    {"rspec-core", "RSpec"},
    {"minitest", "Minitest"},
    {"cucumber", "Cucumber"},
    {"capybara", "Capybara"},
    {"devise", "Devise"},
    {"fastlane", "fastlane"},
    {"cocoapods", "CocoaPods"},
};
static const struct sign nuget[] = {
    {"Microsoft.NET.Sdk.Web", "ASP.NET Core"},
    {"Microsoft.AspNetCore.App", "ASP.NET Core"},
    {"Microsoft.NET.Sdk.BlazorWebAssembly", "Blazor"},
    {"Microsoft.AspNetCore.Components*", "Blazor"},
    {"Microsoft.AspNetCore.*", "ASP.NET Core"},
    {"Microsoft.AspNet.Mvc", "ASP.NET MVC"},
    {"Microsoft.EntityFrameworkCore*", "Entity Framework Core"},
    {"EntityFramework", "Entity Framework"},
    {"Microsoft.Maui.*", ".NET MAUI"},
    {"Xamarin.Forms", "Xamarin.Forms"},
    {"Avalonia*", "Avalonia"},
    {"Aspire.*", ".NET Aspire"},
    {"Microsoft.Azure.Functions*", "Azure Functions"},
    {"Orleans*", "Orleans"},
    {"Microsoft.Orleans*", "Orleans"},
    {"MassTransit*", "MassTransit"},
    {"MediatR*", "MediatR"},
    {"Akka*", "Akka.NET"},
    {"Dapper", "Dapper"},
    {"Nancy", "Nancy"},
    {"Giraffe", "Giraffe"},
    {"Serilog*", "Serilog"},
    {"xunit*", "xUnit"},
    {"NUnit*", "NUnit"},
    {"MSTest*", "MSTest"},
    {"FluentAssertions", "FluentAssertions"},
    {"BenchmarkDotNet", "BenchmarkDotNet"},
    {"MonoGame*", "MonoGame"},
    {"Godot.NET.Sdk", "Godot"},
};

static const struct {
    const char *ecosystem;
    const struct sign *signs;
    size_t count;
} tables[] = {
    {"npm", npm, COUNT(npm)},
    {"pypi", pypi, COUNT(pypi)},
    {"go", go, COUNT(go)},
    {"cargo", cargo, COUNT(cargo)},
    {"maven", maven, COUNT(maven)},
    {"composer", composer, COUNT(composer)},
    {"rubygems", rubygems, COUNT(rubygems)},
    {"nuget", nuget, COUNT(nuget)},
};

/* "github.com/labstack/echo/v4" is echo: major versions are part of a Go module's path. */
static size_t sign_len(const char *ecosystem, const char *package)
{
    size_t len = strlen(package);
    if (strcmp(ecosystem, "go") != 0)
        return len;
    const char *slash = strrchr(package, '/');
    bool is_major =
        slash && slash[1] == 'v' && slash[2] && strspn(slash + 2, "0123456789") == strlen(slash + 2);
    return is_major ? (size_t)(slash - package) : len;
}

static const char *framework_find(size_t *rank, const char *ecosystem, const char *package)
{
    for (size_t t = 0; t < COUNT(tables); t++) {
        if (strcmp(tables[t].ecosystem, ecosystem) != 0)
            continue;
        size_t len = sign_len(ecosystem, package);
        for (size_t i = 0; i < tables[t].count; i++) {
            const char *sign = tables[t].signs[i].package;
            size_t sign_length = strlen(sign);
            bool is_prefix = sign[sign_length - 1] == '*';
            sign_length -= is_prefix;
            if (is_prefix ? len >= sign_length : len == sign_length) {
                *rank = i;
                if (strncasecmp(package, sign, sign_length) == 0)
                    return tables[t].signs[i].framework;
            }
        }
    }
    return NULL;
}

const char *rb_framework_of(const char *ecosystem, const char *package)
{
    size_t rank;
    return framework_find(&rank, ecosystem, package);
}

/* One that was found, with its place: the ecosystem that most of the repository is written in comes first,
 * among equals the one whose manifest comes first; then as in the tables, which begin with what applications
 * are built on and end with what they are tested with. */
struct found {
    struct rb_scan_framework framework;
    int64_t weight;
    size_t ecosystem, rank;
};

/* The languages that packages of an ecosystem are used from. */
static const struct {
    const char *ecosystem, *languages[6];
} homes[] = {
    {"npm", {"TypeScript", "JavaScript", "Vue", "Svelte", "CoffeeScript"}},
    {"pypi", {"Python", "Jupyter Notebook"}},
    {"go", {"Go"}},
    {"cargo", {"Rust"}},
    {"maven", {"Java", "Kotlin", "Groovy", "Scala", "Clojure"}},
    {"composer", {"PHP", "Blade", "Twig"}},
    {"rubygems", {"Ruby"}},
    {"nuget", {"C#", "F#", "Visual Basic .NET"}},
};

static int64_t ecosystem_weight(const struct rb_scan *scan, const char *ecosystem)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < COUNT(homes); i++) {
        for (size_t l = 0; l < scan->language_count && strcmp(homes[i].ecosystem, ecosystem) == 0; l++) {
            for (size_t k = 0; k < COUNT(homes[i].languages) && homes[i].languages[k]; k++) {
                if (strcmp(homes[i].languages[k], scan->languages[l].name) == 0)
                    bytes += scan->languages[l].bytes;
            }
        }
    }
    return bytes;
}

static int found_order(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    if (x->ecosystem != y->ecosystem)
        return x->ecosystem < y->ecosystem ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static size_t found_note(struct found *found, size_t count, const struct rb_scan_dependency *item)
{
    size_t rank, ecosystem = count;
    const char *name = framework_find(&rank, item->ecosystem, item->name);
    if (!name)
        return count;
    for (size_t k = 0; k < count; k++) {
        if (strcmp(found[k].framework.ecosystem, item->ecosystem) != 0)
            continue;
        ecosystem = found[k].ecosystem;
        if (strcmp(found[k].framework.name, name) == 0) {
            found[k].rank = rank < found[k].rank ? rank : found[k].rank;
            return count;
        }
    }
    found[count] = (struct found){{name, item->ecosystem, item->manifest}, 0, ecosystem, rank};
    return count + 1;
}

/* Parts of a framework that are used alone as well: beside the whole they say nothing more. */
static const struct {
    const char *part, *whole;
} parts[] = {
    {"Symfony components", "Symfony"},
    {"Laravel components", "Laravel"},
    {"AndroidX", "Android"},
};

static bool found_is_part(const struct found *found, size_t count, const char *name)
{
    for (size_t i = 0; i < COUNT(parts); i++) {
        for (size_t k = 0; strcmp(parts[i].part, name) == 0 && k < count; k++) {
            if (strcmp(found[k].framework.name, parts[i].whole) == 0)
                return true;
        }
    }
    return false;
}

/* Only what the repository itself asks for: not what others pull in, what an example uses, what a list of
 * versions offers to nobody, or what the repository is itself. */
size_t rb_scan_frameworks(struct rb_scan_framework *out, size_t max, const struct rb_scan *scan)
{
    struct found found[FRAMEWORKS_FOUND_MAX];
    size_t count = 0;
    for (size_t i = 0; i < scan->sheet.count && count < FRAMEWORKS_FOUND_MAX; i++) {
        const struct rb_scan_dependency *item = &scan->sheet.items[i];
        if (!item->indirect && !item->aside && !item->local && !item->offered)
            count = found_note(found, count, item);
    }
    for (size_t i = 0; i < count; i++)
        found[i].weight = ecosystem_weight(scan, found[i].framework.ecosystem);
    qsort(found, count, sizeof *found, found_order);
    size_t written = 0;
    for (size_t i = 0; i < count && written < max; i++) {
        if (!found_is_part(found, count, found[i].framework.name))
            out[written++] = found[i].framework;
    }
    return written;
}
